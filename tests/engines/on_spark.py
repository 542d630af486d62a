"""spark_transform.py on two executors. Usage: on_spark.py WORK_DIR, by run.sh"""

import pathlib
import subprocess
import sys
import time

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

import rows
import spark_transform

work = pathlib.Path(sys.argv[1])
lake, model, bare = str(work / "lake"), str(work / "vae.safetensors"), work / "bare"
spark = (
    SparkSession.builder.master("local-cluster[2,1,1024]")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")
frame = spark.read.parquet(lake)


def run(job, name):
    start = time.monotonic()
    job.write.parquet(str(work / name))
    return time.monotonic() - start


# The engine's own part: the same rows through a Python worker that hands them on.
run(frame.mapInArrow(lambda batches: batches, frame.schema), "spark-warm")
through_python = run(frame.mapInArrow(lambda batches: batches, frame.schema), "spark-copy")
scored = run(spark_transform.transform(frame, model), "spark")
assert rows.check(lake, work / "spark", bare) == frame.count()
rows.figures("Spark", {"its own copy of the rows": through_python, "transform": scored})

# A child that fails is tried again: the job succeeds, and every id is there once.
run(spark_transform.transform(frame, model, program=str(work / "once")), "spark-once")
assert (work / "failed").is_dir()
rows.check(lake, work / "spark-once", bare)

# One that always fails fails the job, with what it said.
try:
    run(spark_transform.transform(frame, model, program=str(work / "always")), "spark-always")
    raise SystemExit("a job whose child fails is taken for done")
except Exception as failure:
    assert "no luck, always" in str(failure) and "exited with 9" in str(failure), failure
assert not (work / "spark-always/_SUCCESS").exists()

# One that is stopped early leaves no child.
assert len(spark_transform.transform(frame, model).limit(5).collect()) == 5
for _ in range(200):
    if not rows.children("vae.safetensors"):
        break
    time.sleep(0.1)
else:
    raise SystemExit("a child outlives its job")

# A sample to fit on; the flags of a transform, by the command that the example is.
frame.sample(0.01, seed=7).write.parquet(str(work / "sample"))
sampled = str(work / "sample.safetensors")
subprocess.run(["vaepipe", "fit", str(work / "sample"), "--exclude", "id", "-m", sampled, "--quiet"], check=True)
spark.stop()
submit = [str(pathlib.Path(sys.executable).parent / "spark-submit"), "--master", "local[2]"]
command = [*submit, spark_transform.__file__, lake, str(work / "spark-command"), "--model", sampled]
subprocess.run([*command, "--", "--keep", "id", "--std"], check=True, stderr=subprocess.DEVNULL)
names = pq.read_schema(next((work / "spark-command").glob("part-*.parquet"))).names
assert names[0] == "id" and "z_std_0" in names and "x0" not in names, names

# A file that Spark wrote says which columns it has in a key of its own; spliced, it says the new ones, too.
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
spark.read.parquet(lake).coalesce(1).write.parquet(str(work / "by-spark"))
(part,) = (work / "by-spark").glob("part-*.parquet")
assert b"org.apache.spark.sql.parquet.row.metadata" in pq.read_metadata(part).metadata
spliced = str(work / "spliced.parquet")
subprocess.run(["vaepipe", "transform", str(part), spliced, "-m", model, "--quiet"], check=True)
back = spark.read.parquet(spliced)
expected = pq.read_table(bare).sort_by("id")
assert back.columns == expected.column_names, back.columns
for name in ("z_0", "anomaly_score", "word"):
    found = [row[0] for row in back.orderBy("id").select(name).collect()]
    assert found == expected[name].to_pylist(), name
spark.stop()
print("Spark: every id once, retried, failed, stopped, read back")
