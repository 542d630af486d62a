"""Delta and Iceberg tables that other programs wrote."""

import datetime
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import program


def rows(first, count, **more):
    numbers = range(first, first + count)
    x = [n * 37 % 101 / 7 for n in numbers]
    return pa.table({"n": list(numbers), "x": x, "y": [2 * x for x in x], **more})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    pq.write_table(rows(0, 400), folder / "rows.parquet")
    program("fit", folder / "rows.parquet", "-m", folder / "m.st", "--exclude", "n", "--epochs", 1, "-q")
    return folder / "m.st"


def deleted(write, open_table, at):
    write(at, rows(0, 100))
    write(at, rows(100, 100), mode="append")
    open_table(at).delete("n >= 50 AND n < 120")


def partitioned(write, open_table, at):
    days = [None if n % 4 == 0 else datetime.date(2020, 1, 1 + n % 3) for n in range(120)]
    words = [["a b", "c/d", "e:f", None, "g%h", "ü"][n % 6] for n in range(120)]
    write(at, rows(0, 120, day=pa.array(days), word=pa.array(words)), partition_by=["word", "day"])


def evolved(write, open_table, at):
    write(at, rows(0, 60))
    write(at, rows(60, 40, word=["w"] * 40), mode="append", schema_mode="merge")
    write(at, rows(100, 20, pair=[{"a": 1.5, "b": [1, 2]}] * 20), mode="append", schema_mode="merge")


def checkpointed(write, open_table, at):
    for n in range(6):
        write(at, rows(20 * n, 20), mode="append")
    open_table(at).create_checkpoint()
    open_table(at).cleanup_metadata()
    open_table(at).delete("n < 30")
    open_table(at).optimize.compact()


@pytest.mark.parametrize("make", [deleted, partitioned, evolved, checkpointed])
def test_a_table_has_the_rows_that_its_writer_reads(make, model, tmp_path):
    deltalake = pytest.importorskip("deltalake")
    table, out = str(tmp_path / "table"), tmp_path / "out.parquet"
    make(deltalake.write_deltalake, deltalake.DeltaTable, table)
    program("transform", table, out, "-m", model, "-q")
    scored = pq.ParquetFile(out).read().sort_by("n")
    expected = deltalake.DeltaTable(table).to_pyarrow_table().sort_by("n")
    for name in expected.column_names:
        assert scored[name].to_pylist() == expected[name].to_pylist(), name
    program("transform", table, f"{tmp_path}/mirrored/", "-m", model, "-q")
    files = [path for path in (tmp_path / "mirrored").rglob("*") if path.is_file()]
    assert len(files) == len(deltalake.DeltaTable(table).file_uris())


def test_another_program_reads_a_new_table(model, tmp_path):
    deltalake = pytest.importorskip("deltalake")
    more = {"pair": [{"a": 1.5, "b": [1, 2]}] * 50, "at": pa.array(range(50), pa.timestamp("us"))}
    pq.write_table(rows(0, 50, **more), tmp_path / "rows.parquet")
    program("transform", tmp_path / "rows.parquet", tmp_path / "table", "-m", model, "--format", "delta", "-q")
    table = deltalake.DeltaTable(str(tmp_path / "table"))
    found, expected = table.to_pyarrow_table(), pq.read_table(tmp_path / "rows.parquet")
    assert table.version() == 0 and "anomaly_score" in found.column_names
    for name in expected.column_names:
        assert found[name].to_pylist() == expected[name].to_pylist(), name
    table.delete("n < 10")
    program("transform", tmp_path / "table", tmp_path / "out.parquet", "-m", model, "--keep", "n", "-q")
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 40


def test_an_iceberg_table_is_refused(model, tmp_path):
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = catalogs.SqlCatalog("c", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/lake")
    catalog.create_namespace("n")
    catalog.create_table("n.t", schema=rows(0, 50).schema).append(rows(0, 50))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        program("transform", tmp_path / "lake", tmp_path / "out.parquet", "-m", model)
    assert failed.value.returncode == 65 and "an Iceberg table is not supported" in failed.value.stderr
