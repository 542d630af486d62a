"""The module gives the bytes and numbers of the program, whatever the rows come in."""

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from conftest import program

import vaepipe

NEW = ["recon_error", "anomaly_score", "p_value", "is_anomaly"]


@pytest.fixture(scope="module")
def by_program(digits, tmp_path_factory):
    """A model and scores of the program."""
    folder = tmp_path_factory.mktemp("program")
    model, scored = folder / "vae.safetensors", folder / "scored.parquet"
    program("fit", digits, "--exclude", "label,split", "--epochs", 4, "--seed", 7, "-m", model)
    program("transform", digits, scored, "-m", model)
    return model, scored


def test_a_fit_writes_the_bytes_that_the_program_writes(digits, by_program):
    model = vaepipe.fit(digits, exclude=["label", "split"], epochs=4, seed=7, threads=1)
    assert model.to_bytes() == by_program[0].read_bytes()


def test_a_fit_to_a_frame_learns_the_same_weights(digits, by_program):
    model = vaepipe.fit(polars.read_parquet(digits), exclude="label,split".split(","), epochs=4, seed=7)
    expected = vaepipe.Model.load(by_program[0])
    assert model.metadata["history"] == expected.metadata["history"]
    assert model.metadata["network"] == expected.metadata["network"]


@pytest.mark.parametrize(
    "rows",
    [
        lambda path: str(path),
        lambda path: [path],
        lambda path: polars.read_parquet(path),
        lambda path: polars.scan_parquet(path),
        lambda path: pandas.read_parquet(path),
        lambda path: pyarrow.parquet.read_table(path),
        lambda path: pyarrow.parquet.ParquetFile(path).iter_batches(100),
        lambda path: duckdb.sql(f"from '{path}'"),
        lambda path: [polars.read_parquet(path)[:700], polars.read_parquet(path)[700:]],
    ],
    ids=["path", "paths", "polars", "lazy", "pandas", "pyarrow", "batches", "duckdb", "frames"],
)
def test_a_transform_gives_the_numbers_of_the_program(digits, by_program, rows):
    model, scored = by_program
    result = vaepipe.Model.load(model).transform(rows(digits))
    if isinstance(result, vaepipe.Reader):
        result = pyarrow.table(result)
    elif isinstance(result, pandas.DataFrame):
        result = pyarrow.Table.from_pandas(result, preserve_index=False)
    elif isinstance(result, polars.DataFrame):
        result = result.to_arrow()
    expected = pyarrow.parquet.read_table(scored)
    assert result.column_names == expected.column_names
    for name in [f"z_{n}" for n in range(7)] + NEW + ["p12", "label"]:
        assert result[name].to_pylist() == expected[name].to_pylist(), name


def test_a_sink_writes_the_file_that_the_program_writes(digits, by_program, tmp_path):
    model, scored = by_program
    summary = vaepipe.Model.load(model).transform(digits).sink(tmp_path / "scored.parquet")
    assert (tmp_path / "scored.parquet").read_bytes() == scored.read_bytes()
    assert summary["rows"] == 1797 and summary["drift"] is not None


def test_the_command_and_the_module_have_one_version():
    assert program("--version") == f"vaepipe {vaepipe.__version__}\n"
