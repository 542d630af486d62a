"""Rows in order: a result is that of the sorted rows, in any kind of frame."""

import math

import pyarrow
import pytest

import vaepipe


@pytest.fixture(scope="module")
def readings():
    minutes = range(600)
    return pyarrow.table({"minute": minutes, "load": [math.sin(n / 9) + n * 37 % 101 / 500 for n in minutes]})


@pytest.fixture(scope="module")
def model(readings):
    return vaepipe.fit(readings, order_by="minute", window=8, epochs=2)


@pytest.fixture(scope="module")
def mixed(readings):
    return readings.take([n * 7 % 600 for n in range(600)])


def test_sorted_rows_keep_their_numbers_and_labels(readings, model, mixed):
    expected = model.transform(readings, expected=0.9)
    assert {"load_expected", "load_low", "load_high"} < set(expected.column_names)
    polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
    assert model.transform(mixed, sort=True, expected=0.9).equals(expected)
    assert model.transform(polars.from_arrow(mixed), sort=True, expected=0.9).equals(polars.from_arrow(expected))
    frame = mixed.to_pandas().set_axis([f"row {n}" for n in mixed["minute"].to_pylist()])
    found = model.transform(frame, sort=True, expected=0.9)
    pandas.testing.assert_frame_equal(found.reset_index(drop=True), expected.to_pandas())
    assert list(found.index) == [f"row {n}" for n in range(600)]
    gaps = frame.assign(load=frame["load"].where(frame["minute"] % 5 > 0))
    filled = model.impute(gaps, sort=True)
    assert list(filled.index) == list(found.index) and filled["load"].notna().all()
    known = filled["minute"] % 5 > 0
    assert (filled["load"][known] == found["load"][known]).all()
    assert list(model.reconstruct(frame, sort=True)["minute"]) == list(range(600))


def test_drift_sorts_and_goes_on_from_a_history(readings, model, mixed, tmp_path):
    expected = model.drift(readings)
    assert model.drift(mixed, sort=True) == expected
    with pytest.raises(vaepipe.DataError, match="not in the order of"):
        model.drift(mixed)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(readings[:300], tmp_path / "yesterday.parquet")
    today = readings[300:]
    assert model.drift(today, history=str(tmp_path / "yesterday.parquet")) != model.drift(today)


def test_a_comparison_sorts_and_goes_on_from_a_history(readings, model, mixed, tmp_path):
    other = vaepipe.fit(readings, order_by="minute", window=4, epochs=2)

    def compared(data, **options):
        rows = model.compare(other, data, top=3, **options)["rows"]
        return {**rows, "top": [{**row, "file": ""} for row in rows["top"]]}

    assert compared(mixed, sort=True) == compared(readings)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(readings[:300], tmp_path / "yesterday.parquet")
    today = readings[300:]
    assert compared(today, history=str(tmp_path / "yesterday.parquet")) != compared(today)


def test_sequences_are_drawn(model):
    drawn = model.generate(100, steps=20).to_polars()
    assert drawn.columns == ["sequence", *drawn.columns[1:]] and len(drawn) == 100
    assert drawn["sequence"].to_list() == [row // 20 for row in range(100)]
    assert (drawn["minute"].diff()[1:20] == 1).all()


def test_rows_out_of_order_are_an_error(model, mixed):
    with pytest.raises(vaepipe.DataError, match="not in the order of"):
        model.transform(mixed).to_polars()
    with pytest.raises(vaepipe.UsageError, match="'minute' is none"):
        model.transform(mixed.drop_columns(["minute"]).to_pandas(), sort=True)


def test_a_fit_sorts(readings, mixed, model):
    sorted_first = vaepipe.fit(mixed, order_by="minute", window=8, epochs=2, sort=True)
    assert sorted_first.transform(readings).equals(model.transform(readings))
