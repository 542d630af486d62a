"""spark_transform.py on two executors. Usage: on_spark.py WORK_DIR, by run.sh"""

import pathlib
import subprocess
import sys
import time

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

import rows
import spark_transform
import vaepipe

work = pathlib.Path(sys.argv[1])
lake, bare = str(work / "lake"), work / "bare"
model = vaepipe.Model.load(work / "vae.safetensors")
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
with rows.at_work():
    scored = run(spark_transform.transform(frame, model), "spark")
assert rows.check(lake, work / "spark", bare) == frame.count()
rows.figures("Spark", {"its own copy of the rows": through_python, "transform": scored})

# Enough tasks for failures among them.
spark.conf.set("spark.sql.files.maxPartitionBytes", "16m")
frame = spark.read.parquet(lake)
assert frame.rdd.getNumPartitions() >= 4

# A task that fails, and one whose worker is killed, are tried again: every id is there once.
run(spark_transform.transform(frame, rows.Failing(model, work / "spark-marks")), "spark-failing")
assert (work / "spark-marks/3").is_dir()
rows.check(lake, work / "spark-failing", bare)

# One that always fails fails the job, with what it said.
rows.fails(lambda: run(spark_transform.transform(frame, rows.Failing(model)), "spark-always"))
assert not (work / "spark-always/_SUCCESS").exists()
# Rows of another model fail it before it begins.
rows.fails(lambda: spark_transform.transform(frame.drop("x7"), model), 'needs column "x7"')

# One that is stopped early leaves nothing at work.
with rows.at_work():
    assert len(spark_transform.transform(frame, model).limit(5).collect()) == 5

# Options, and a list of columns.
kept = spark_transform.transform(frame.limit(100), model, keep=["id"], std=True)
assert kept.columns[0] == "id" and {"z_0", "z_std_0"} <= set(kept.columns) and "x0" not in kept.columns
assert kept.count() == 100

# Rows in order: whole sequences, whatever comes where.
mixed, in_order, expected = rows.devices()
mixed = spark.createDataFrame(mixed.to_pandas()).repartition(4)
rows.check_devices(spark_transform.transform(mixed, in_order).toArrow(), expected)

# A sample to fit on, and the command that the example is.
frame.sample(0.01, seed=7).write.parquet(str(work / "sample"))
sampled = str(work / "sample.safetensors")
subprocess.run(["vaepipe", "fit", str(work / "sample"), "--exclude", "id", "-m", sampled, "--quiet"], check=True)
spark.stop()
submit = [str(pathlib.Path(sys.executable).parent / "spark-submit"), "--master", "local[2]"]
command = [*submit, spark_transform.__file__, lake, str(work / "spark-command"), "--model", sampled]
subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
rows.check(lake, work / "spark-command")

# A file that Spark wrote says which columns it has in a key of its own; spliced, it says the new ones, too.
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
spark.read.parquet(lake).coalesce(1).write.parquet(str(work / "by-spark"))
(part,) = (work / "by-spark").glob("part-*.parquet")
assert b"org.apache.spark.sql.parquet.row.metadata" in pq.read_metadata(part).metadata
spliced = str(work / "spliced.parquet")
subprocess.run(["vaepipe", "transform", str(part), spliced, "-m", str(work / "vae.safetensors"), "--quiet"], check=True)
back = spark.read.parquet(spliced)
expected = pq.read_table(bare).sort_by("id")
assert back.columns == expected.column_names, back.columns
for name in ("z_0", "anomaly_score", "word"):
    found = [row[0] for row in back.orderBy("id").select(name).collect()]
    assert found == expected[name].to_pylist(), name
spark.stop()
print("Spark: every id once, retried, failed, stopped, read back")
