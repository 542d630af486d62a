"""dask_transform.py on two workers. Usage: on_dask.py WORK_DIR, by run.sh"""

import logging
import os
import pathlib
import subprocess
import sys
import time

import dask
import dask.dataframe as dd
import pyarrow as pa
from dask.distributed import Client

import dask_transform
import rows
import vaepipe

work = pathlib.Path(sys.argv[1])
lake, bare = str(work / "lake"), work / "bare"
model = vaepipe.Model.load(work / "vae.safetensors")


def run(job, name):
    start = time.monotonic()
    dask.compute(job.to_parquet(str(work / name), write_index=False, compute=False), retries=dask_transform.RETRIES)
    return time.monotonic() - start


def main():
    client = Client(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL)
    frame = dd.read_parquet(lake)

    # The engine's own part: the same rows through a function that hands them on.
    def copy():
        return frame.map_partitions(lambda part: part.copy(), meta=frame._meta)

    run(copy(), "dask-warm")
    through_python = run(copy(), "dask-copy")
    with rows.at_work():
        scored = run(dask_transform.transform(frame, model), "dask")
    assert rows.check(lake, work / "dask", bare) == len(frame)
    rows.figures("Dask", {"its own copy of the rows": through_python, "transform": scored})

    # A partition that fails, and one whose worker is killed, are tried again: every id is there once.
    run(dask_transform.transform(frame, rows.Failing(model, work / "dask-marks")), "dask-failing")
    assert (work / "dask-marks/3").is_dir()
    rows.check(lake, work / "dask-failing", bare)

    # One that always fails fails the job, with what it said.
    rows.fails(lambda: run(dask_transform.transform(frame, rows.Failing(model)), "dask-always"))
    # Rows of another model fail it before it begins.
    rows.fails(lambda: dask_transform.transform(frame.drop(columns="x7"), model), 'needs column "x7"')

    # One that is stopped early leaves nothing at work.
    with rows.at_work():
        future = client.compute(dask_transform.transform(frame, model))
        time.sleep(2)
        future.cancel()

    # Options, and a list of columns.
    kept = dask_transform.transform(frame, model, keep=["id"], std=True)
    assert kept.columns[0] == "id" and {"z_0", "z_std_0"} <= set(kept.columns) and "x0" not in kept.columns
    assert list(kept.partitions[0].compute().columns) == list(kept.columns)

    # Rows in order: whole sequences, whatever comes where.
    mixed, in_order, expected = rows.devices()
    mixed = dd.from_pandas(mixed.to_pandas(), npartitions=4)
    found = dask_transform.transform(mixed, in_order).compute()
    rows.check_devices(pa.Table.from_pandas(found, expected.schema, preserve_index=False), expected)

    # The command that the example is.
    command = [sys.executable, dask_transform.__file__, lake, str(work / "dask-command")]
    subprocess.run([*command, "--model", str(work / "vae.safetensors")], check=True,
                   env=os.environ | {"DASK_SCHEDULER_ADDRESS": client.scheduler.address})
    rows.check(lake, work / "dask-command", bare)
    client.close()
    print("Dask: every id once, retried, failed, stopped")


# Workers import this file.
if __name__ == "__main__":
    main()
