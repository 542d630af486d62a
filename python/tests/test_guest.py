"""The module is a good guest: of the interpreter's lock, signals, logs, processes and memory."""

import logging
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import polars
import pytest

import vaepipe


def wide(rows):
    """A frame that takes a while to learn."""
    return polars.DataFrame({f"x{n}": [(row * (n + 7919)) % 1009 / 1009 for row in range(rows)] for n in range(16)})


def test_other_threads_go_on_while_a_model_is_fitted():
    ticks, done = 0, threading.Event()

    def tick():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.01)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    vaepipe.fit(wide(4000), epochs=20, threads=1)
    took = time.monotonic() - start
    done.set()
    thread.join()
    assert ticks >= took / 0.1, (ticks, took)


@pytest.mark.parametrize("call", ["fit", "transform", "impute", "to_polars", "sink"])
def test_ctrl_c_ends_a_call_within_a_second_and_leaves_nothing(call, tmp_path):
    script = f"""
import sys, time
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import polars, vaepipe
from test_guest import wide
frame = wide(20_000)
model = vaepipe.fit(frame, epochs=1)
def forever():
    while True:
        yield frame
print("ready", flush=True)
try:
    if {call!r} == "fit":
        vaepipe.fit(frame, epochs=100_000, max_steps=10_000_000, patience=0)
    elif {call!r} == "transform":
        for batch in model.transform(forever()):
            pass
    elif {call!r} == "impute":
        list(model.impute(forever()))
    elif {call!r} == "to_polars":
        model.transform(forever()).to_polars()
    else:
        model.transform(forever()).sink("scored.parquet")
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(1)
        sent = time.time()
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0 and said.startswith("interrupted"), said
    # A second, and what a busy machine adds.
    assert float(said.split()[1]) - sent < 3
    assert list(tmp_path.iterdir()) == []


def test_the_log_goes_to_logging(points, caplog):
    with caplog.at_level(logging.INFO, logger="vaepipe"):
        vaepipe.fit(polars.DataFrame(points | {"none": [None] * 400}), epochs=2)
    assert caplog.records and {record.name for record in caplog.records} == {"vaepipe"}


def test_progress_is_told_to_a_callable_and_its_exception_ends_the_call():
    steps = []
    vaepipe.fit(wide(2000), epochs=5, progress=steps.append)
    phases = [step.phase for step in steps]
    assert phases.count("training") >= 5
    assert steps[-1].done == steps[-1].total and steps[-1].message.startswith("epoch 5/5: validation loss ")

    def refuse(step):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        vaepipe.fit(wide(2000), epochs=1000, progress=refuse)


def test_progress_true_draws_a_bar(capsys):
    vaepipe.fit(wide(2000), epochs=3, progress=True)
    assert "training" in capsys.readouterr().err


def test_a_model_is_pickled_with_its_bytes(points, points_model):
    again = pickle.loads(pickle.dumps(points_model))
    assert again.hash == points_model.hash and again.to_bytes() == points_model.to_bytes()
    assert again.transform(polars.DataFrame(points)).equals(points_model.transform(polars.DataFrame(points)))


def scored(model, points):
    return model.transform(points)["anomaly_score"].to_list()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_model_works_in_another_process(method, points, points_model):
    rows = polars.DataFrame(points) if method == "spawn" else pickle.loads(pickle.dumps(points))
    if method == "fork":
        # polars itself does not survive a fork: rows go through pyarrow.
        import pyarrow

        rows = pyarrow.table(points)
        expected = points_model.transform(rows)["anomaly_score"].to_pylist()
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(arrow_scores, (points_model, points)).get(timeout=60)
    else:
        expected = scored(points_model, rows)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply_async(scored, (points_model, rows)).get(timeout=60)
    assert found == expected


def arrow_scores(model, points):
    import pyarrow

    return model.transform(pyarrow.table(points))["anomaly_score"].to_pylist()


def test_a_model_is_shared_between_threads(points, points_model):
    frame = polars.DataFrame(points)
    expected, found = scored(points_model, frame), []
    threads = [threading.Thread(target=lambda: found.append(scored(points_model, frame))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_rows_are_read_as_they_are_asked_for(points, points_model):
    frame, given = polars.DataFrame(points), 0

    def batches():
        nonlocal given
        for _ in range(100_000):
            given += 1
            yield frame

    rows = points_model.transform(batches())
    for _ in range(10):
        next(rows)
    # Bounded queues hold some more.
    assert given < 20_000
    del rows
    here = given
    time.sleep(0.2)
    assert given == here, "batches are taken after the reader is gone"


def test_scratch_files_have_no_name(points, points_model, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rows = points_model.impute(iter([polars.DataFrame(points)]))
    next(rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["generator", "progress", "log", "sink", "drop"])
def test_calls_may_be_nested_in_what_vaepipe_calls(call, tmp_path):
    script = f"""
import logging, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import polars, pyarrow, vaepipe
from test_guest import wide
frame = wide(500)
model = vaepipe.fit(frame, epochs=1)
nested = []
class Handler(logging.Handler):
    def emit(self, record):
        if not nested:
            nested.append(1)
            nested.append(model.transform(frame))
if {call!r} == "generator":
    assert model.transform(model.impute(part) for part in [frame, frame]).to_polars().height == 1000
    assert pyarrow.table(model.transform(model.impute(part).to_arrow() for part in [frame, frame])).num_rows == 1000
    vaepipe.fit((model.impute(part) for part in [frame, frame]), epochs=1)
elif {call!r} == "progress":
    vaepipe.fit(frame, epochs=3, progress=lambda step: nested.append(model.transform(frame)))
elif {call!r} == "log":
    logging.getLogger("vaepipe").setLevel(logging.INFO)
    logging.getLogger("vaepipe").addHandler(Handler())
    vaepipe.fit(frame, epochs=3)
elif {call!r} == "sink":
    model.transform(model.impute(part) for part in [frame, frame]).sink("scored.parquet")
else:
    def parts():
        for part in [frame] * 50:
            rows = model.transform(iter([part]))
            next(rows)
            yield part
    rows = model.transform(parts())
    next(rows)
    del rows
assert nested or {call!r} not in ("progress", "log")
print("done")
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
