"""Latents as one list of fixed size: what vector stores take."""

import math

import duckdb
import pyarrow
import pyarrow.parquet


def test_latents_are_arrays_of_duckdb(points, points_model, tmp_path):
    table = pyarrow.table(points)
    columns, lists = points_model.transform(table), points_model.transform(table, latents="list", keep=["tag"])
    k = lists.schema.field("z").type.list_size
    assert pyarrow.types.is_fixed_size_list(lists.schema.field("z").type) and k == 2
    connection = duckdb.connect()
    connection.register("lists", lists)
    assert connection.execute("select typeof(z) from lists limit 1").fetchall() == [(f"FLOAT[{k}]",)]
    nearest = "select tag, array_distance(z, (select z from lists where tag = 'row 7')) d from lists order by d, tag limit 3"
    found = connection.execute(nearest).fetchall()
    z = [columns[f"z_{i}"].to_pylist() for i in range(k)]
    distances = [math.dist([of[row] for of in z], [of[7] for of in z]) for row in range(400)]
    expected = sorted(range(400), key=lambda row: (distances[row], f"row {row}"))[:3]
    assert found[0] == ("row 7", 0.0) and [tag for tag, _ in found] == [f"row {row}" for row in expected]
    # From a file, too, where a list has no fixed size of its own.
    pyarrow.parquet.write_table(lists, tmp_path / "lists.parquet")
    distance = f"select array_distance(z::FLOAT[{k}], z::FLOAT[{k}]) from '{tmp_path}/lists.parquet' limit 1"
    assert connection.execute(distance).fetchall() == [(0.0,)]
