"""Rows for the engines, a model that fails, and whether rows came out whole.

Usage: rows.py make LAKE ROWS | rows.py check LAKE SCORED
"""

import contextlib
import datetime
import itertools
import os
import pathlib
import re
import signal
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import vaepipe

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


def day(number):
    """The date of a day of `make_days`."""
    return str(datetime.date(2026, 1, 1) + datetime.timedelta(days=number))


def make_days(lake, ordinary, drifted):
    """A directory a day, of ordinary ones and then of drifted ones."""
    draw = np.random.default_rng(7)
    for number in range(ordinary + drifted):
        x = draw.normal(size=(500, 3)) + (3 if number >= ordinary else 0)
        table = {"id": [f"{number}-{n}" for n in range(500)], "x": x[:, 0], "y": x[:, 0] + x[:, 1] / 9, "z": x[:, 2]}
        (lake / f"date={day(number)}").mkdir(parents=True)
        pq.write_table(pa.table(table), lake / f"date={day(number)}" / "0.parquet")


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


class Failing:
    """A model that fails in workers, after some rows. With a directory for marks the second call raises, the fourth kills
    its process, and the others go well; without one, all raise."""

    def __init__(self, model, marks=None):
        self.model, self.marks, self.metadata = model, marks, model.metadata

    def transform(self, data, **options):
        scored = self.model.transform(data, **options)
        if isinstance(scored, vaepipe.Reader):
            return self._some(scored)
        if len(scored):
            self._fail()
        return scored

    def _some(self, batches):
        yield next(batches)
        self._fail()
        yield from batches

    def _fail(self):
        call = 1 if self.marks is None else self._call()
        if call == 1:
            raise vaepipe.DataError("no luck, always")
        if call == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    def _call(self):
        """The number of the call, of all processes."""
        for call in itertools.count():
            with contextlib.suppress(FileExistsError):
                (self.marks / str(call)).mkdir(parents=True)
                return call


def devices():
    """Readings of 20 devices in no order, a model of them in order, and their scores."""
    minute, device = (grid.ravel() for grid in np.mgrid[0:1000, 0:20])
    table = pa.table({"device": [f"device {d}" for d in device], "minute": minute, "load": np.sin(minute / 9 + device) + minute % 7 / 50})
    model = vaepipe.fit(table, order_by="minute", by=["device"], window=8, epochs=2)
    return table.take(np.random.default_rng(7).permutation(len(table))), model, model.transform(table)


def check_devices(scored, expected):
    """Every row has the numbers that it has in order, on one machine."""
    keys = [("device", "ascending"), ("minute", "ascending")]
    scored, expected = (rows.select(expected.column_names).sort_by(keys).to_pydict() for rows in (scored, expected))
    assert scored == expected


def fails(job, words="no luck, always"):
    """Runs a job that has to fail, with these words."""
    try:
        job()
    except Exception as failure:
        assert words in str(failure), failure
    else:
        raise SystemExit(f"a job is taken for done that fails with {words!r}")


def threads():
    """The threads of transforms in processes of the test: process, name."""
    for comm in pathlib.Path("/proc").glob("[0-9]*/task/[0-9]*/comm"):
        with contextlib.suppress(OSError):
            name = comm.read_text().strip()
            if re.fullmatch(r"read|model(-\d+)?", name) and b"tests/engines" in (comm.parents[2] / "environ").read_bytes():
                yield comm.parts[2], name


@contextlib.contextmanager
def at_work():
    """There are threads of transforms meanwhile, and soon afterwards none."""
    seen, over = [], threading.Event()

    def look():
        while not seen and not over.wait(0.02):
            seen.extend(threads())

    looker = threading.Thread(target=look)
    looker.start()
    yield
    over.set()
    looker.join()
    assert seen, "a transform has no threads, or they are not found"
    for _ in range(200):
        if not (busy := list(threads())):
            return
        time.sleep(0.1)
    raise SystemExit(f"threads outlive their job: {busy}")


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
