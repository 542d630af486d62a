"""Rows for the engines, and whether they came out whole. Usage: rows.py make LAKE ROWS | rows.py check LAKE SCORED"""

import os
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILES, COLUMNS = 16, 32


def make(lake, rows):
    """An id, 32 numbers of which eight are independent, and a word a row."""
    lake.mkdir(parents=True)
    draw = np.random.default_rng(7)
    mix = draw.normal(size=(8, COLUMNS))
    for number, ids in enumerate(np.array_split(draw.permutation(rows), FILES)):
        x = draw.normal(size=(len(ids), 8)) @ mix + 0.1 * draw.normal(size=(len(ids), COLUMNS))
        table = {"id": ids.astype("int64")} | {f"x{n}": x[:, n] for n in range(COLUMNS)}
        table["word"] = np.array(["a", "b", "c"])[draw.integers(0, 3, len(ids))]
        pq.write_table(pa.table(table), lake / f"{number:02}.parquet")


def check(lake, scored, bare=None):
    """Every id once with its own row; and the numbers of `bare`, to the bit."""
    here = pq.read_table(scored).sort_by("id")
    assert here["id"].to_pylist() == list(range(here.num_rows)), "an id is missing or there twice"
    given = pq.read_table(lake).sort_by("id")
    assert here.select(given.column_names).equals(given.cast(here.select(given.column_names).schema))
    assert {"z_0", "recon_error", "anomaly_score", "p_value", "is_anomaly"} <= set(here.column_names)
    if bare is not None:
        there = pq.read_table(bare).sort_by("id")
        assert here.select(there.column_names).equals(there.cast(here.select(there.column_names).schema))
    return here.num_rows


def children(model):
    """The processes that run `vaepipe transform` with a model of this name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"\0transform\0-\0-\0" in words and model.encode() in words:
            found.append(pid)
    return found


def figures(engine, seconds):
    """What a job took, beside the bare process."""
    bare = int(os.environ["BARE"]) / 1000
    print(f"{engine}: bare process {bare:.2f} s; " + "; ".join(
        f"{what} {took:.2f} s, {took / bare:.1f} of it" for what, took in seconds.items()), flush=True)


if __name__ == "__main__":
    one, two = sys.argv[2:4]
    if sys.argv[1] == "make":
        make(pathlib.Path(one), int(two))
    else:
        print(f"{check(one, two)} rows, every id once")
