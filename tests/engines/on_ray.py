"""ray_transform.py on two nodes. Usage: on_ray.py WORK_DIR, by run.sh"""

import os
import pathlib
import subprocess
import sys
import time

import pyarrow as pa
import ray
from ray.cluster_utils import Cluster

import ray_transform
import rows
import vaepipe

work = pathlib.Path(sys.argv[1])
lake, bare = str(work / "lake"), work / "bare"
model = vaepipe.Model.load(work / "vae.safetensors")
node = {"node_ip_address": "127.0.0.1", "num_cpus": 1, "object_store_memory": 1 << 30, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=node)
cluster.add_node(**node)
ray.init(address=cluster.address, log_to_driver=False, logging_level="CRITICAL")
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
with rows.at_work():
    scored = run(ray_transform.transform(dataset, model), "ray")
assert rows.check(lake, work / "ray", bare) == dataset.count()
rows.figures("Ray", {"its own copy of the rows": through_python, "transform": scored})

# Enough blocks for failures among them.
dataset = ray.data.read_parquet(lake).repartition(8)

# A block that fails, and one whose worker is killed, are tried again: every id is there once.
run(ray_transform.transform(dataset, rows.Failing(model, work / "ray-marks")), "ray-failing")
assert (work / "ray-marks/3").is_dir()
rows.check(lake, work / "ray-failing", bare)

# One that always fails fails the job, with what it said.
rows.fails(lambda: run(ray_transform.transform(dataset, rows.Failing(model)), "ray-always"))
# Rows of another model fail it before it begins.
rows.fails(lambda: ray_transform.transform(dataset.drop_columns(["x7"]), model), 'needs column "x7"')

# Rows in order: whole sequences, whatever comes where.
mixed, in_order, expected = rows.devices()
tables = ray_transform.transform(ray.data.from_arrow(mixed).repartition(4), in_order).to_arrow_refs()
rows.check_devices(pa.concat_tables(ray.get(tables)), expected)

# One that is stopped early leaves nothing at work.
with rows.at_work():
    assert len(ray_transform.transform(dataset, model).take(5)) == 5

# Options, and a list of columns.
kept = ray_transform.transform(dataset.limit(100), model, keep=["id"], std=True)
names = kept.schema().names
assert names[0] == "id" and {"z_0", "z_std_0"} <= set(names) and "x0" not in names, names
assert kept.count() == 100

# The command that the example is.
command = [sys.executable, ray_transform.__file__, lake, str(work / "ray-command"), "--model", str(work / "vae.safetensors")]
subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=os.environ | {"RAY_ADDRESS": cluster.address})
rows.check(lake, work / "ray-command", bare)
ray.shutdown()
cluster.shutdown()
print("Ray: every id once, retried, failed, stopped")
