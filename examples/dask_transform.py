"""A transform on Dask: `Model.transform` of each partition, through `DataFrame.map_partitions`.

    python examples/dask_transform.py lake/ scored/ --model vae.safetensors

The workers need `pip install vaepipe pyarrow`. The model goes to them with the function. Without DASK_SCHEDULER_ADDRESS the
workers are processes of this machine. A partition that fails is tried again, and then fails the job with vaepipe's error.
"""

import argparse

import dask
import dask.dataframe as dd
import pandas as pd
import vaepipe
from dask.distributed import Client

RETRIES = 3


def transform(frame: dd.DataFrame, model: vaepipe.Model, **options) -> dd.DataFrame:
    """The rows of `frame` with the new columns. Options are those of `Model.transform`, such as `keep=["id"]`."""

    def score(part: pd.DataFrame) -> pd.DataFrame:
        # Dask runs a partition on each core.
        return model.transform(part, threads=1, **options)

    if sequence := model.metadata.get("sequence"):
        # A row is scored with those before it: a partition gets whole sequences, and sorts them.
        options["sort"] = True
        by = sequence.get("by")
        frame = frame.shuffle(by) if by else frame.repartition(npartitions=1)
    # Dask needs the columns before there are rows; a frame that lacks a column of the model is an error here.
    return frame.map_partitions(score, meta=score(frame._meta))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="Parquet files, in any place that Dask reads")
    parser.add_argument("output", help="the directory to write")
    parser.add_argument("--model", default="vae.safetensors")
    given = parser.parse_args()
    with Client():
        scored = transform(dd.read_parquet(given.input), vaepipe.Model.load(given.model))
        dask.compute(scored.to_parquet(given.output, write_index=False, compute=False), retries=RETRIES)


if __name__ == "__main__":
    main()
