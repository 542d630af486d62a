"""Errors are exceptions of the library's kinds, with the way out in the text."""

import pathlib
import pickle

import numpy
import pandas
import polars
import pytest

import vaepipe


def test_an_unknown_option_is_told_with_the_near_one(points):
    with pytest.raises(TypeError, match='"epoch"; did you mean "epochs"'):
        vaepipe.fit(polars.DataFrame(points), epoch=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": "many"}, "epochs: \"many\""),
        ({"scale": "log"}, 'scale: "log" is none of robust, asinh, standard, minmax, none'),
        ({"epochs": 0}, "epochs sets it"),
        ({"epochs": True}, "epochs: takes no bool"),
        ({"epochs": [1, 2]}, "epochs: takes one value"),
        ({"missing_indicator": "perhaps"}, "missing_indicator: takes True or False"),
        ({"alpha": 0.1, "fdr": 0.1}, "exclude each other"),
        ({"columns": ["z"]}, "columns"),
        ({"columns": []}, "columns: is empty"),
        ({"device": "tpu"}, "tpu"),
        ({"threads": 0}, "threads"),
        ({"where": "x > 3"}, "where: filters rows of files"),
    ],
)
def test_an_option_that_does_not_fit_is_a_usage_error(points, options, words):
    with pytest.raises(vaepipe.UsageError) as raised:
        vaepipe.fit(polars.DataFrame(points), **options)
    assert words in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_commands_in_hints_stay_as_they_are(points):
    with pytest.raises(vaepipe.RunError, match="`cargo build --release --features cuda` makes one"):
        vaepipe.fit(polars.DataFrame(points), device="cuda")


def test_options_take_what_python_has(points):
    frame = polars.DataFrame(points).with_columns(polars.col("x").alias("a, b"))
    model = vaepipe.fit(
        frame,
        columns=["x", "a, b"],
        map={"x": "asinh"},
        hidden=[8, 4],
        latent_dim=2,
        epochs=2,
        lr=1e-3,
        missing_indicator=False,
        memory="64MiB",
        exclude=None,
        spool_dir=pathlib.Path("/tmp"),
    )
    stored = model.metadata
    assert stored["network"]["hidden"] == [8, 4] and stored["training"]["lr"] == 1e-3
    assert [feature["column"]["name"] if isinstance(feature["column"], dict) else feature["column"]
            for feature in stored["features"]] == ["x", "a, b"]
    assert vaepipe.fit(frame, columns="x", hidden=[], epochs=1).metadata["network"]["hidden"] == []


def test_files_that_are_missing_or_there_raise_what_python_raises(points_model, tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such"):
        vaepipe.fit(tmp_path / "no-such.parquet")
    with pytest.raises(FileNotFoundError, match="no-such"):
        vaepipe.Model.load(tmp_path / "no-such.safetensors")
    points_model.save(tmp_path / "vae.safetensors")
    with pytest.raises(FileExistsError, match=r"\(force replaces it\)"):
        points_model.save(tmp_path / "vae.safetensors")
    points_model.save(tmp_path / "vae.safetensors", force=True)
    with pytest.raises(OSError, match="no/such") as raised:
        points_model.save(tmp_path / "no/such/vae.safetensors")
    assert isinstance(raised.value, vaepipe.VaepipeError)


def test_bad_models_and_data_have_their_kinds(points_model, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(vaepipe.ModelError):
        vaepipe.Model.load(tmp_path / "bad.safetensors")
    with pytest.raises(vaepipe.ModelError):
        vaepipe.Model.from_bytes(points_model.to_bytes()[:-9])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(vaepipe.DataError, match="bad.parquet"):
        points_model.transform(tmp_path / "bad.parquet")
    with pytest.raises(vaepipe.DataError, match="word"):
        points_model.transform(polars.DataFrame({"x": [1.0], "y": [1.0]}))
    with pytest.raises(vaepipe.DataError):
        vaepipe.fit(polars.DataFrame({"constant": [1] * 300}))
    with pytest.raises(vaepipe.UsageError, match="n is -1"):
        points_model.generate(-1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (7, "int holds no rows"),
        (None, "NoneType holds no rows"),
        ({"x": [1.0]}, "dict holds no rows"),
        (b"rows.parquet", "bytes holds no rows"),
        ([7], "int holds no rows"),
        ([None], "NoneType holds no rows"),
        (polars.Series([1.0]), "a Series is a column"),
        (pandas.Series([1.0]), "a Series is a column"),
        (numpy.zeros((3, 2)), "an array has no columns with names"),
    ],
)
def test_what_holds_no_table_is_named(points_model, data, words):
    with pytest.raises(TypeError, match=words):
        points_model.transform(data)


def test_what_an_iterator_raises_is_raised(points, points_model):
    def batches():
        yield polars.DataFrame(points)
        raise LookupError("no more rows")

    with pytest.raises(LookupError, match="no more rows"):
        list(points_model.transform(batches()))
    with pytest.raises(LookupError, match="no more rows"):
        points_model.transform(batches()).to_polars()
    with pytest.raises(LookupError, match="no more rows"):
        vaepipe.fit(batches())


def test_batches_with_other_columns_are_an_error_with_both(points, points_model):
    frame = polars.DataFrame(points)
    with pytest.raises(ValueError, match="other columns than the first"):
        list(points_model.transform(iter([frame, frame.drop("tag")])))


def test_exceptions_can_be_pickled(tmp_path):
    try:
        vaepipe.Model.load(tmp_path / "none")
    except vaepipe.NotFoundError as error:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)


@pytest.mark.parametrize(
    "call", [lambda model, rows: model.transform(rows, threads=-1), lambda model, rows: model.drift(rows, threads=-5)]
)
def test_a_negative_number_is_a_wrong_call(points, points_model, call):
    with pytest.raises(vaepipe.UsageError, match="-[15] is no number of rows, threads or draws"):
        call(points_model, polars.DataFrame(points))
