"""`vaepipe transform` on Ray Data: a child process for each block of rows, through `Dataset.map_batches`.

    python examples/ray_transform.py lake/ scored/ --model vae.safetensors

`vaepipe` has to be on the PATH of the workers, or at the same place on each of them, which --program names. The model is
shipped to them. More flags of `vaepipe transform` may follow after `--`. A block whose child fails is tried again, and
then fails the job with the child's stderr.
"""

import tempfile

import pyarrow as pa
import ray

import vaepipe_pipe

# The workers get it as it is here.
ray.cloudpickle.register_pickle_by_value(vaepipe_pipe)

RETRIES = 3


def transform(rows, model, flags=(), program="vaepipe"):
    """The dataset `rows` with the columns that `vaepipe transform` adds."""
    with open(model, "rb") as file:
        shipped = ray.put(file.read())
    # Refuses rows that are not the model's before there are any.
    schema = vaepipe_pipe.output_schema(model, rows.schema().base_schema, flags, program)
    flags = list(flags)

    def score(block):
        with tempfile.NamedTemporaryFile(prefix="vaepipe-", suffix=".safetensors") as file:
            file.write(ray.get(shipped))
            file.flush()
            command = vaepipe_pipe.transform_command(file.name, flags, program)
            # A block is handed on once its child has ended well, so that a retry repeats no rows.
            return pa.Table.from_batches(vaepipe_pipe.through(command, block.to_batches()), schema)

    return rows.map_batches(
        score, batch_format="pyarrow", batch_size=None, num_cpus=1, max_retries=RETRIES, retry_exceptions=True
    )


def main():
    given = vaepipe_pipe.arguments(__doc__)
    ray.init(ignore_reinit_error=True)
    transform(ray.data.read_parquet(given.input), given.model, given.flags, given.program).write_parquet(given.output)


if __name__ == "__main__":
    main()
