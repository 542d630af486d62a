"""A frame gives a frame of its kind, with its own columns as they were; anything else gives a reader."""

import datetime

import duckdb
import pandas
import polars
import pyarrow
import pytest

import vaepipe

NEW = ["z_0", "z_1", "recon_error", "anomaly_score", "p_value", "is_anomaly"]


def test_a_polars_frame_keeps_its_columns(points, points_model):
    frame = polars.DataFrame(points).with_columns(
        polars.col("word").cast(polars.Categorical).alias("categorical"),
        polars.col("word").cast(polars.Enum(["a", "b", "c"])).alias("enum"),
        polars.lit(datetime.datetime(2026, 1, 1)).alias("time").cast(polars.Datetime("ns", "Europe/Berlin")),
        polars.struct("x", "tag").alias("struct"),
        polars.concat_list("x", "y").alias("list"),
    )
    scored = points_model.transform(frame)
    assert isinstance(scored, polars.DataFrame)
    assert scored.columns == frame.columns + NEW
    assert scored.select(frame.columns).equals(frame) and scored.select(frame.columns).schema == frame.schema


def test_a_pandas_frame_keeps_its_index_and_types(points, points_model):
    frame = pandas.DataFrame(points, index=pandas.Index(range(1000, 1400), name="key"))
    frame["nullable"] = pandas.array([None if n % 5 == 0 else n for n in range(400)], dtype="Int64")
    frame["categorical"] = frame["word"].astype("category")
    frame[7] = 1.5
    frame.attrs["source"] = "a test"
    scored = points_model.transform(frame)
    assert isinstance(scored, pandas.DataFrame)
    pandas.testing.assert_frame_equal(scored[list(frame.columns)], frame)
    assert list(scored.columns) == list(frame.columns) + NEW
    assert scored.index.equals(frame.index) and scored.attrs == frame.attrs
    assert scored["is_anomaly"].dtype == bool and scored["z_0"].dtype == "float32"


def test_pandas_rows_without_a_known_value_have_no_decision(points, points_model):
    frame = pandas.DataFrame({"x": [None, 1.0], "y": [None, 0.5], "word": [None, "a"]})
    scored = points_model.transform(frame)
    assert scored["is_anomaly"].dtype == "boolean" and scored["is_anomaly"].isna().tolist() == [True, False]


def test_a_pyarrow_table_and_batch_give_their_kind(points, points_model):
    table = pyarrow.table(points)
    scored = points_model.transform(table)
    assert isinstance(scored, pyarrow.Table) and scored.column_names == [*points, *NEW]
    assert scored.select(table.column_names).equals(table)
    batch = table.to_batches()[0].slice(3, 5)
    scored = points_model.transform(batch)
    assert isinstance(scored, pyarrow.RecordBatch) and scored.num_rows == 5
    assert scored.select(table.column_names).equals(batch)
    assert points_model.transform(batch.slice(0, 0)).num_rows == 0


def test_a_relation_of_duckdb_is_read_and_queried(points, points_model):
    polars_points = polars.DataFrame(points)
    relation = duckdb.sql("select * from polars_points where x > 10")
    scored = points_model.transform(relation)
    assert isinstance(scored, vaepipe.Reader)
    counted = duckdb.sql("select count(*), sum(is_anomaly::int) from scored").fetchall()
    expected = points_model.transform(polars_points.filter(polars.col("x") > 10))
    assert counted == [(expected.height, expected["is_anomaly"].sum())]


def test_batches_come_out_in_the_kind_that_went_in(points, points_model):
    table = pyarrow.table(points)
    for batch in points_model.transform(iter(table.to_batches(50))):
        assert isinstance(batch, pyarrow.RecordBatch)
    for frame in points_model.transform(iter([polars.DataFrame(points)])):
        assert isinstance(frame, polars.DataFrame)
    reader = pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches())
    assert all(isinstance(batch, pyarrow.RecordBatch) for batch in points_model.transform(reader))


def test_an_iterator_without_batches_gives_none(points_model):
    for rows in (points_model.transform(iter([])), points_model.impute([])):
        assert list(rows) == [] and rows.columns == []
    assert points_model.drift(iter([])) is None
    with pytest.raises(vaepipe.DataError, match="nothing to read"):
        vaepipe.fit([])


def test_missing_values_are_filled_in_the_type_of_the_frame(points, points_model):
    frame = polars.DataFrame(points)
    filled = points_model.impute(frame)
    assert filled.schema == frame.schema and filled["y"].null_count() == 0
    known = frame["y"].is_not_null()
    assert filled.filter(known).equals(frame.filter(known))
    pandas_frame = pandas.DataFrame(points, index=range(5, 405))
    filled = points_model.impute(pandas_frame, flag=True)
    assert filled["y"].notna().all() and filled.index.equals(pandas_frame.index)
    assert (filled["y_imputed"] == pandas_frame["y"].isna()).all()


def test_rows_are_rebuilt_from_columns_and_from_latents(points, points_model):
    frame = polars.DataFrame(points)
    rebuilt = points_model.reconstruct(frame)
    assert rebuilt.schema == frame.schema and rebuilt["tag"].equals(frame["tag"])
    latents = points_model.transform(frame).select("z_0", "z_1")
    again = points_model.reconstruct(latents)
    assert again.columns == ["z_0", "z_1", "x", "y", "word"]
    assert again["x"].equals(rebuilt["x"]) and again["word"].equals(rebuilt["word"])


def test_a_reader_is_read_once(points_model):
    rows = points_model.generate(10)
    assert rows.columns == ["x", "y", "word"]
    assert rows.to_polars().height == 10
    with pytest.raises(vaepipe.UsageError, match="make them again"):
        rows.to_polars()


def test_generated_and_traversed_rows_are_those_of_the_program(points_model, tmp_path):
    points_model.save(tmp_path / "vae.safetensors")
    from conftest import program

    program("generate", "-n", 5000, tmp_path / "drawn.parquet", "-m", tmp_path / "vae.safetensors", "--seed", 3)
    assert points_model.generate(5000, seed=3).to_polars().equals(polars.read_parquet(tmp_path / "drawn.parquet"))
    program("traverse", tmp_path / "walk.parquet", "-m", tmp_path / "vae.safetensors", "--steps", 5)
    assert points_model.traverse(steps=5).to_polars().equals(polars.read_parquet(tmp_path / "walk.parquet"))


def test_polars_needs_no_pyarrow(tmp_path):
    import subprocess
    import sys

    script = """
import sys
sys.modules["pyarrow"] = sys.modules["pandas"] = sys.modules["numpy"] = None
import polars, vaepipe
frame = polars.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)]})
model = vaepipe.fit(frame, epochs=2)
scored = model.transform(frame)
assert scored.columns[:2] == ["x", "y"] and scored["anomaly_score"].null_count() == 0
assert model.impute(frame).equals(frame)
assert model.generate(5).to_polars().height == 5
assert sum(part.height for part in model.transform(iter([frame, frame]))) == 600
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_values_that_were_known_stay_the_same_bits(points):
    frame = pandas.DataFrame(points)
    frame["id"] = pandas.array([None if n % 5 == 0 else 2**53 + 1 + 2 * (n * 37 % 400) for n in range(400)], dtype="Int64")
    frame["bin"] = pandas.cut(frame["x"], 5)
    frame["tags"] = [[n, n] for n in range(400)]
    frame["dict"] = [{"a": n} for n in range(400)]
    model = vaepipe.fit(frame, columns=["x", "y", "word", "id"], latent_dim=1, epochs=2)
    for result in (model.impute(frame.drop(columns="bin")), model.reconstruct(frame.drop(columns="bin"))):
        pandas.testing.assert_frame_equal(result[["tag", "tags", "dict"]], frame[["tag", "tags", "dict"]])
    filled = model.impute(frame.drop(columns="bin"))
    assert filled["id"].notna().all() and filled["id"].dtype == "Int64"
    known = frame["id"].notna()
    assert (filled["id"][known] == frame["id"][known]).all()


def test_a_filled_word_that_the_frame_does_not_know_is_added_or_kept(points, points_model):
    words = [None if n % 2 else "a" for n in range(400)]
    frame = pandas.DataFrame(points).assign(word=pandas.Categorical(words, categories=["a"]))
    assert points_model.impute(frame)["word"].notna().all()
    assert points_model.reconstruct(frame)["word"].notna().all()
    frame = polars.DataFrame(points).with_columns(word=polars.Series(words, dtype=polars.Enum(["a"])))
    assert points_model.impute(frame)["word"].null_count() == 0
    assert points_model.reconstruct(frame)["word"].null_count() == 0


def test_missing_floats_of_polars_are_null_or_nan(points, points_model):
    y = [None if n % 7 == 0 else float("nan") if n % 11 == 0 else n / 400 for n in range(400)]
    frame = polars.DataFrame(points).with_columns(y=polars.Series(y))
    filled = points_model.impute(frame)["y"]
    assert filled.null_count() == 0 and not filled.is_nan().any()
    assert filled.filter(polars.Series(y).is_not_null() & polars.Series(y).is_not_nan()).to_list() == [
        value for value in y if value is not None and value == value
    ]


def test_what_arrow_cannot_hold_is_a_data_error(points, points_model):
    with pytest.raises(vaepipe.DataError, match="odd"):
        points_model.transform(polars.DataFrame(points).with_columns(odd=polars.Series([{1}] * 400, dtype=polars.Object)))
    with pytest.raises(vaepipe.DataError, match="odd"):
        points_model.transform(pandas.DataFrame(points).assign(odd=[1, "a"] * 200))


def test_text_is_written_as_it_is_called(points_model, tmp_path):
    points_model.generate(3).sink(tmp_path / "rows.csv")
    assert polars.read_csv(tmp_path / "rows.csv").height == 3
    points_model.generate(3).sink(tmp_path / "rows.ndjson")
    assert polars.read_ndjson(tmp_path / "rows.ndjson").height == 3
    with pytest.raises(vaepipe.UsageError, match="an output of this name"):
        points_model.generate(3).sink(tmp_path / "rows.json")


def test_columns_of_polars_without_a_value_are_filled(points, points_model):
    frame = polars.DataFrame(points)
    for name in ["x", "word"]:
        empty = frame.with_columns(polars.lit(None).alias(name), polars.lit(None).alias("none"))
        assert empty.schema[name] == polars.Null
        assert points_model.impute(empty)[name].null_count() == 0
        scored = points_model.transform(empty)
        assert scored.schema[name] == polars.Null and scored["anomaly_score"].null_count() == 0
        lazy = points_model.transform(empty.lazy()).to_polars()
        assert lazy["anomaly_score"].equals(scored["anomaly_score"])
    vaepipe.fit(frame.with_columns(none=None).lazy(), epochs=1)
