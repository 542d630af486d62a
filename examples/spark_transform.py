"""`vaepipe transform` on Spark: a child process for each core, fed and read through `DataFrame.mapInArrow`.

    spark-submit examples/spark_transform.py lake/ scored/ --model vae.safetensors

`vaepipe` has to be on the PATH of the workers, or at the same place on each of them, which --program names; so must
pyarrow. The model is shipped to them. More flags of `vaepipe transform` may follow after `--`. A task whose child fails
is tried again (`spark.task.maxFailures`), and then fails the job with the child's stderr.
"""

import os

from pyspark import SparkFiles
from pyspark.sql import SparkSession

import vaepipe_pipe


def transform(frame, model, flags=(), program="vaepipe"):
    """The rows of `frame` with the columns that `vaepipe transform` adds."""
    spark = frame.sparkSession
    spark.sparkContext.addPyFile(vaepipe_pipe.__file__)
    spark.sparkContext.addFile(model)
    schema = vaepipe_pipe.output_schema(model, frame.limit(0).toArrow().schema, flags, program)
    schema = spark.createDataFrame(schema.empty_table()).schema
    name, flags = os.path.basename(model), list(flags)

    def score(batches):
        command = vaepipe_pipe.transform_command(SparkFiles.get(name), flags, program)
        return vaepipe_pipe.through(command, batches)

    return frame.mapInArrow(score, schema)


def main():
    given = vaepipe_pipe.arguments(__doc__)
    spark = SparkSession.builder.appName("vaepipe").getOrCreate()
    frame = spark.read.parquet(given.input)
    transform(frame, os.path.abspath(given.model), given.flags, given.program).write.parquet(given.output)
    spark.stop()


if __name__ == "__main__":
    main()
