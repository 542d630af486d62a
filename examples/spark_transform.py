"""A transform on Spark: `Model.transform` in each Python worker, through `DataFrame.mapInArrow`.

    spark-submit examples/spark_transform.py lake/ scored/ --model vae.safetensors

The driver and the workers need Spark 4 and `pip install vaepipe pyarrow`. The model goes to the workers with the task. A task
that fails is tried again (`spark.task.maxFailures`), and then fails the job with vaepipe's error.
"""

import argparse

import vaepipe
from pyspark.sql import DataFrame, SparkSession


def transform(frame: DataFrame, model: vaepipe.Model, **options) -> DataFrame:
    """The rows of `frame` with the new columns. Options are those of `Model.transform`, such as `keep=["id"]`."""
    if sequence := model.metadata.get("sequence"):
        # A row is scored with those before it: a task gets whole sequences, in order.
        by = sequence.get("by")
        frame = (frame.repartition(*by) if by else frame.coalesce(1)).sortWithinPartitions(sequence["order_by"])
    # Spark needs the columns before there are rows; a frame that lacks a column of the model is an error here.
    empty = model.transform(frame.limit(0).toArrow(), **options)

    def score(batches):
        # Spark runs a task on each core.
        return model.transform(batches, threads=1, **options)

    return frame.mapInArrow(score, frame.sparkSession.createDataFrame(empty).schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="Parquet files, in any place that Spark reads")
    parser.add_argument("output", help="the directory to write")
    parser.add_argument("--model", default="vae.safetensors")
    given = parser.parse_args()
    spark = SparkSession.builder.appName("vaepipe").getOrCreate()
    transform(spark.read.parquet(given.input), vaepipe.Model.load(given.model)).write.parquet(given.output)
    spark.stop()


if __name__ == "__main__":
    main()
