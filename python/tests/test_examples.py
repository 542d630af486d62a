"""The examples run: on Dask, and on stand-ins for Spark, Ray, dbt, Airflow and Dagster, which are too large to install here.

tests/engines/run.sh runs them on all six.
"""

import importlib.util
import math
import pathlib
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from unittest.mock import MagicMock

import duckdb
import pandas
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest
from conftest import REPOSITORY

import vaepipe

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture
def example(monkeypatch):
    """Loads an example, with libraries in place of those that are not here."""

    def load(name, **libraries):
        for library, stand_in in libraries.items():
            monkeypatch.setitem(sys.modules, library.replace("_", "."), stand_in)
        spec = importlib.util.spec_from_file_location(pathlib.Path(name).stem, EXAMPLES / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def table(points):
    return pyarrow.table(points)


@pytest.fixture(scope="module")
def expected(table, points_model):
    return points_model.transform(table)


class Failing:
    """A model that fails for rows, for as long as there are failures left."""

    def __init__(self, model, failures):
        self.model, self.failures, self.metadata = model, failures, model.metadata

    def transform(self, rows, **options):
        if len(rows) and self.failures:
            self.failures.pop()
            raise vaepipe.DataError("no luck")
        return self.model.transform(rows, **options)


@pytest.fixture(scope="module")
def devices():
    """Readings of two devices, which alternate, and a model of them in order."""
    rows = [(n % 2, n // 2) for n in range(1200)]
    table = pyarrow.table({
        "device": ["ab"[device] for device, _ in rows],
        "minute": [minute for _, minute in rows],
        "load": [math.sin(minute / 9 + device) + (minute * 37 % 101) / 500 for device, minute in rows],
    })
    model = vaepipe.fit(table, order_by="minute", by=["device"], window=8, epochs=2)
    return table, model, model.transform(table)


def same_rows(found, expected):
    """Whether tables have the same rows, in any order of the devices."""
    keys = [("device", "ascending"), ("minute", "ascending")]
    return found.sort_by(keys).equals(expected.sort_by(keys))


class SparkFrame:
    """A frame of two partitions, one of which is empty."""

    def __init__(self, table):
        self.table, self.sparkSession = table, self

    def repartition(self, *columns):
        return SparkFrame(self.table.sort_by([(column, "descending") for column in columns]))

    def sortWithinPartitions(self, column):
        return SparkFrame(self.table.sort_by(column))

    def limit(self, rows):
        return SparkFrame(self.table[:rows])

    def toArrow(self):
        return self.table

    def createDataFrame(self, table):
        return table

    def mapInArrow(self, function, schema):
        batches = []
        for partition in (self.table.to_batches(max_chunksize=90), []):
            scored = function(iter(partition))
            assert isinstance(scored, Iterator)
            batches += scored
        assert all(isinstance(batch, pyarrow.RecordBatch) for batch in batches)
        return pyarrow.Table.from_batches(batches, schema)


def test_sequences_on_spark_ray_and_dask(example, devices):
    import dask.dataframe

    table, model, expected = devices
    mixed = table.take([n * 7 % 1200 for n in range(1200)])
    spark = example("spark_transform.py", pyspark=MagicMock(), pyspark_sql=MagicMock())
    assert same_rows(spark.transform(SparkFrame(mixed), model), expected)
    assert same_rows(example("ray_transform.py", ray=MagicMock()).transform(RayRows(mixed), model), expected)
    rows = dask.dataframe.from_pandas(mixed.to_pandas(), npartitions=3)
    found = example("dask_transform.py").transform(rows, model).compute(scheduler="synchronous")
    assert same_rows(pyarrow.Table.from_pandas(found, expected.schema, preserve_index=False), expected)


def test_a_transform_on_spark(example, table, expected, points_model):
    spark = example("spark_transform.py", pyspark=MagicMock(), pyspark_sql=MagicMock())
    assert spark.transform(SparkFrame(table), points_model).equals(expected)
    kept = spark.transform(SparkFrame(table), points_model, keep=["tag"], std=True)
    assert kept.column_names[0] == "tag" and "z_std_0" in kept.column_names and "x" not in kept.column_names
    with pytest.raises(vaepipe.DataError, match='needs column "word"'):
        spark.transform(SparkFrame(table.drop_columns(["word"])), points_model)


class RayRows:
    """A dataset of two blocks."""

    def __init__(self, table):
        self.table, self.context = table, MagicMock(max_map_retries=0)

    def schema(self):
        return MagicMock(base_schema=self.table.schema)

    def groupby(self, columns):
        assert columns == ["device"]
        devices = [self.table.filter(pyarrow.compute.equal(self.table["device"], device)) for device in "ba"]
        return MagicMock(map_groups=lambda function, batch_format: pyarrow.concat_tables(map(function, devices)))

    def map_batches(self, function, **options):
        assert options == {"batch_format": "pyarrow", "batch_size": None} and self.context.max_map_retries > 0
        return pyarrow.concat_tables([function(self.table[:70]), function(self.table[70:])])


def test_a_transform_on_ray(example, table, expected, points_model):
    ray = example("ray_transform.py", ray=MagicMock())
    assert ray.transform(RayRows(table), points_model).equals(expected)
    with pytest.raises(vaepipe.DataError, match='needs column "word"'):
        ray.transform(RayRows(table.drop_columns(["word"])), points_model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_transform_on_dask(example, table, points_model, tmp_path):
    import dask
    import dask.dataframe
    from dask.distributed import Client

    script = example("dask_transform.py")
    pandas_rows = table.to_pandas()
    expected = points_model.transform(pandas_rows)
    rows = dask.dataframe.from_pandas(pandas_rows, npartitions=3)
    with Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None):
        scored = script.transform(rows, points_model, keep=["tag"], std=True)
        found = scored.compute()
        assert list(found.columns) == list(scored.columns) and found.columns[0] == "tag"
        pandas.testing.assert_frame_equal(found[["z_0", "anomaly_score"]], expected[["z_0", "anomaly_score"]])

        # A partition that fails is tried again, and one that always fails fails the job.
        failures = [1, 1]
        assert len(dask.compute(script.transform(rows, Failing(points_model, failures)), retries=script.RETRIES)[0]) == 400
        assert failures == []
        with pytest.raises(vaepipe.DataError, match="no luck"):
            dask.compute(script.transform(rows, Failing(points_model, [1] * 100)), retries=1)
        with pytest.raises(vaepipe.DataError, match='needs column "word"'):
            script.transform(rows.drop(columns="word"), points_model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_command_of_the_dask_example(example, table, expected, points_model, tmp_path, monkeypatch):
    script = example("dask_transform.py")
    monkeypatch.setattr(script, "Client", lambda: MagicMock())
    points_model.save(tmp_path / "vae.safetensors")
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    places = [tmp_path / "rows.parquet", tmp_path / "scored", "--model", tmp_path / "vae.safetensors"]
    monkeypatch.setattr(sys, "argv", ["dask_transform.py", *map(str, places)])
    script.main()
    found = pyarrow.parquet.read_table(tmp_path / "scored")
    assert found.column_names == expected.column_names
    assert found["anomaly_score"].to_pylist() == expected["anomaly_score"].to_pylist()


def test_the_dbt_model_fits_once(example, flights, tmp_path):
    connection = duckdb.connect()
    relation = connection.sql(f"from '{flights}' limit 2000")
    dbt = MagicMock()
    dbt.ref = {"flights": relation}.__getitem__
    dbt.config.get = {"vae": str(tmp_path / "vae.safetensors")}.__getitem__
    model = example("dbt/models/scored.py").model
    first = pyarrow.table(model(dbt, connection))
    written = (tmp_path / "vae.safetensors").stat()
    connection.register("scored", model(dbt, connection))
    assert connection.sql("select anomaly_score from scored").fetchall() == [(x,) for x in first["anomaly_score"].to_pylist()]
    assert first.num_rows == 2000 and (tmp_path / "vae.safetensors").stat() == written


def test_the_tasks_of_the_airflow_dags(example, tmp_path, monkeypatch):
    def day(number):
        return str(date(2026, 1, 1) + timedelta(days=number))

    for number in range(30):
        # The last day is otherwise.
        rows = {"x": [(n * 37 + number) % 101 + (500 if number == 29 else 0) for n in range(60)],
                "y": [(n * 53 + number) % 89 / 8 for n in range(60)]}
        (tmp_path / f"lake/date={day(number)}").mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / f"lake/date={day(number)}/0.parquet")
    (tmp_path / "scored").mkdir()
    for name, path in {"LAKE": "lake", "SCORED": "scored", "MODEL": "model.safetensors"}.items():
        monkeypatch.setenv(f"VAEPIPE_{name}", str(tmp_path / path))

    ran = []

    def task(function=None, **options):
        if function is None:
            return task
        # As Airflow has it, a call in a DAG runs nothing.
        def call(*arguments):
            ran.append(function.__name__)

        call.run = function
        return call

    sdk = MagicMock(task=task, dag=lambda **options: lambda function: function)
    dags = example("airflow_dag.py", airflow=MagicMock(), airflow_sdk=sdk)
    assert ran == ["fit", "transform", "check_drift", "check_anomaly_rate"]

    with pytest.raises(FileNotFoundError):
        dags.transform.run(day(28))
    digest = dags.fit.run(day(27))
    assert vaepipe.Model.load(tmp_path / "model.safetensors").hash == digest
    assert vaepipe.Model.load(tmp_path / "model.safetensors").metadata["provenance"]["rows"] == 28 * 60
    for _ in range(2):
        ordinary = dags.transform.run(day(28))
    assert ordinary["rows"] == 60
    dags.check_drift.run(ordinary)
    dags.check_anomaly_rate.run(ordinary | {"anomaly_rate": 0.02})
    with pytest.raises(ValueError, match="more than 5%"):
        dags.check_anomaly_rate.run(ordinary | {"anomaly_rate": 0.2})
    with pytest.raises(ValueError, match="columns that moved: x"):
        dags.check_drift.run(dags.transform.run(day(29)))
    assert pyarrow.parquet.read_table(tmp_path / f"scored/date={day(29)}.parquet").num_rows == 60
