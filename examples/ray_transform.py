"""A transform on Ray Data: `Model.transform` of each block of rows, through `Dataset.map_batches`.

    python examples/ray_transform.py lake/ scored/ --model vae.safetensors

The workers need `pip install vaepipe pyarrow`. The model goes to them with the function. Ray replaces workers that die. A
block that fails is tried again, and then fails the job with vaepipe's error.
"""

import argparse

import pyarrow as pa
import ray
import vaepipe

RETRIES = 3


def transform(rows: ray.data.Dataset, model: vaepipe.Model, **options) -> ray.data.Dataset:
    """The dataset `rows` with the new columns. Options are those of `Model.transform`, such as `keep=["id"]`."""
    # A dataset that lacks a column of the model is an error before any block is read.
    model.transform(rows.schema().base_schema.empty_table(), **options)

    def score(block: pa.Table) -> pa.Table:
        # Ray runs a block on each core.
        return model.transform(block, threads=1, **options)

    rows.context.retried_map_errors, rows.context.max_map_retries = True, RETRIES
    if sequence := model.metadata.get("sequence"):
        # A row is scored with those before it: a call gets a whole sequence, and sorts it.
        options["sort"] = True
        return rows.groupby(sequence.get("by")).map_groups(score, batch_format="pyarrow")
    # Without resources of its own, a step shares a task with the read and the write around it.
    return rows.map_batches(score, batch_format="pyarrow", batch_size=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="Parquet files, in any place that Ray reads")
    parser.add_argument("output", help="the directory to write")
    parser.add_argument("--model", default="vae.safetensors")
    given = parser.parse_args()
    ray.init(ignore_reinit_error=True)
    transform(ray.data.read_parquet(given.input), vaepipe.Model.load(given.model)).write_parquet(given.output)


if __name__ == "__main__":
    main()
