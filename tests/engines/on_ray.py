"""ray_transform.py on two nodes. Usage: on_ray.py WORK_DIR, by run.sh"""

import os
import pathlib
import subprocess
import sys
import time

import pyarrow.parquet as pq
import ray
from ray.cluster_utils import Cluster

import ray_transform
import rows

work = pathlib.Path(sys.argv[1])
lake, model, bare = str(work / "lake"), str(work / "vae.safetensors"), work / "bare"
node = {"node_ip_address": "127.0.0.1", "num_cpus": 1, "object_store_memory": 1 << 30, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=node)
cluster.add_node(**node)
ray.init(address=cluster.address, log_to_driver=False)
assert len(ray.nodes()) == 2
ray.data.DataContext.get_current().enable_progress_bars = False
dataset = ray.data.read_parquet(lake)


def run(job, name):
    start = time.monotonic()
    job.write_parquet(str(work / name))
    return time.monotonic() - start


# The engine's own part: the same rows through a Python worker that hands them on.
def copy():
    return dataset.map_batches(lambda block: block, batch_format="pyarrow", batch_size=None, num_cpus=1)


run(copy(), "ray-warm")
through_python = run(copy(), "ray-copy")
scored = run(ray_transform.transform(dataset, model), "ray")
assert rows.check(lake, work / "ray", bare) == dataset.count()
rows.figures("Ray", {"its own copy of the rows": through_python, "transform": scored})

# A child that fails is tried again: the job succeeds, and every id is there once.
run(ray_transform.transform(dataset, model, program=str(work / "once")), "ray-once")
assert (work / "failed").is_dir()
rows.check(lake, work / "ray-once", bare)

# One that always fails fails the job, with what it said.
try:
    run(ray_transform.transform(dataset, model, program=str(work / "always")), "ray-always")
    raise SystemExit("a job whose child fails is taken for done")
except Exception as failure:
    assert "no luck, always" in str(failure) and "exited with 9" in str(failure), failure

# One that is stopped early leaves no child.
assert len(ray_transform.transform(dataset, model).take(5)) == 5
for _ in range(200):
    if not rows.children("/vaepipe-"):
        break
    time.sleep(0.1)
else:
    raise SystemExit("a child outlives its job")

# Flags, and fewer columns, by the command that the example is.
command = [sys.executable, ray_transform.__file__, lake, str(work / "ray-command"), "--model", model]
subprocess.run([*command, "--", "--keep", "id", "--std"], check=True, stderr=subprocess.DEVNULL,
               env=os.environ | {"RAY_ADDRESS": cluster.address})
names = pq.read_schema(next((work / "ray-command").glob("*.parquet"))).names
assert names[0] == "id" and "z_std_0" in names and "x0" not in names, names
ray.shutdown()
cluster.shutdown()
print("Ray: every id once, retried, failed, stopped")
