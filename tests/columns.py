"""Columns of every type that other programs write come out of a transform with the values and types that these programs
read from the input, copied and encoded anew.

Usage: columns.py VAEPIPE WORK_DIR
Needs: pip install polars duckdb pandas pyarrow
"""

import base64
import datetime
import decimal
import json
import os
import struct
import subprocess
import sys
import uuid
from pathlib import Path

import duckdb
import numpy
import pandas
import polars
import polars.testing
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

vaepipe, work = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve() / "columns"
work.mkdir()
os.chdir(work)
ROWS = 300
rng = numpy.random.default_rng(0)
x = rng.normal(size=ROWS)
rows = range(ROWS)
pq.write_table(pa.table({"x": x, "y": x + rng.normal(0, 0.1, ROWS)}), "xy.parquet")
ANEW = ("--compression", "zstd", "--row-group-size", "100")


def run(*words, **how):
    return subprocess.run([vaepipe, *map(str, words)], capture_output=True, text=True, **how)


def ok(*words):
    done = run(*words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stderr


ok("fit", "xy.parquet", "--columns", "x", "--epochs", "1", "--quiet")


def transform(source, output="out.parquet", *flags):
    return ok("transform", source, output, "--force", "--quiet", *flags)


def kinds(path, like="in.parquet"):
    """The Parquet types of the first columns, as many as the input has."""
    # A decimal may be a number or bytes.
    kind = "case when precision is null then type || coalesce(type_length, '') end"
    query = f"select name, {kind}, coalesce(logical_type, converted_type), precision, scale, field_id from parquet_schema"
    said, own = (duckdb.sql(f"{query}('{it}')").fetchall() for it in (path, like))
    return said[1 : len(own)]


def by_duckdb(path, column):
    relation = duckdb.sql(f"select {column} from '{path}'")
    return relation.types, relation.fetchall()


def same(column="c", source="in.parquet"):
    """Whether all readers read the column alike from the input, and from both kinds of output."""
    for flags in ((), ANEW):
        transform(source, "out.parquet", *flags)
        assert by_duckdb(source, column) == by_duckdb("out.parquet", column), (column, flags)
        before, after = (pq.read_table(path)[column] for path in (source, "out.parquet"))
        if pa.types.is_dictionary(before.type):
            before, after = (array.cast(before.type.value_type) for array in (before, after))
        assert before.type == after.type and before.to_pylist() == after.to_pylist(), (before.type, after.type, flags)
        assert kinds(source) == kinds("out.parquet"), (kinds(source), kinds("out.parquet"), flags)


def write(column, **how):
    pq.write_table(pa.table({"x": x, "c": column}), "in.parquet", **how)


# What pyarrow writes. Half of the values are null.
HALF = lambda value: [None if row % 2 else value(row) for row in rows]
day = datetime.datetime(2024, 2, 29, 23, 59, 59)
for column in (
    pa.array(HALF(lambda row: uuid.UUID(int=row).bytes), pa.binary(16)),
    pa.array(HALF(lambda row: day), pa.timestamp("s")),
    pa.array(HALF(lambda row: day), pa.timestamp("s", "Europe/Berlin")),
    pa.array(HALF(lambda row: day), pa.timestamp("ns")),
    pa.array(HALF(lambda row: day.date()), pa.date64()),
    pa.array(HALF(lambda row: day.time()), pa.time32("s")),
    pa.array(HALF(lambda row: day.time()), pa.time64("ns")),
    pa.array(HALF(lambda row: row), pa.duration("s")),
    pa.array(HALF(lambda row: [day] * (row % 3)), pa.list_(pa.timestamp("s"))),
    pa.array(HALF(lambda row: {"a": day, "b": row % 9}), pa.struct({"a": pa.timestamp("s"), "b": pa.uint8()})),
    pa.array(HALF(lambda row: [("k", day)]), pa.map_(pa.string(), pa.timestamp("s"))),
    pa.array(HALF(lambda row: decimal.Decimal(row)), pa.decimal128(30, 0)),
    pa.array(HALF(lambda row: decimal.Decimal(row)), pa.decimal128(9, 2)),
    pa.array(HALF(lambda row: row / 8), pa.float16()),
    pa.nulls(ROWS),
):
    write(column)
    same()
write(pa.array(HALF(lambda row: decimal.Decimal(row)), pa.decimal128(9, 2)), store_decimal_as_integer=True)
same()
# Field numbers, also within a column, and columns that may not be null.
numbered = {b"PARQUET:field_id": b"7"}
inner = pa.struct([pa.field("a", pa.int64(), False, numbered)])
schema = pa.schema([pa.field("x", pa.float64(), False), pa.field("c", inner, False, {b"PARQUET:field_id": b"3"})])
pq.write_table(pa.table([x, pa.array([{"a": row} for row in rows], inner)], schema), "in.parquet")
same()
assert [row[-1] for row in kinds("out.parquet")] == [None, 3, 7]

# Dictionaries of whatever they hold, as pandas has categories of anything.
for values in ([True, False], [1.5, 2.5], [day, day.replace(year=4)], [day.date()], [b"ab", b"c"], ["a", None],
               [decimal.Decimal(5)], [datetime.timedelta(1)]):
    write(pa.array((values * ROWS)[:ROWS]).dictionary_encode())
    same()

# What DuckDB writes.
for value in ("to_months((i % 5)::int) + to_days((i % 40)::int) + to_hours(i % 9)", "uuid()", "'{\"a\": 1}'::json",
              "time '12:00:00+02'", "timestamptz '2024-01-01 00:00:00+02'", "'a'::enum('b', 'a')", "i::hugeint",
              "[to_months(1)]", "{a: uuid(), b: to_months(2)}", "(i % 9)::utinyint", "timestamp_s '2024-01-01 00:00:00'",
              "timestamp_ns '2024-01-01 00:00:00.123456789'", "map {'k': to_days(3)}", "'\\x01'::blob", "i::decimal(20, 3)",
              "{a: i}::variant", "'POINT(1 2)'::geometry"):
    duckdb.sql(f"copy (select sin(i) x, case when i % 7 > 0 then {value} end c from range({ROWS}) t(i)) to 'in.parquet' "
               "(format parquet)")
    for flags in ((), ANEW):
        transform("in.parquet", "out.parquet", *flags)
        assert by_duckdb("in.parquet", "c") == by_duckdb("out.parquet", "c"), (value, flags)
        assert kinds("in.parquet") == kinds("out.parquet"), (value, flags, kinds("out.parquet"))
        assert pq.read_table("in.parquet")["c"].equals(pq.read_table("out.parquet")["c"]), (value, flags)

# What polars writes.
frame = polars.DataFrame({"x": x}).with_columns(
    a=polars.Series([row - 2**70 for row in rows], dtype=polars.Int128),
    b=polars.Series([[row] for row in rows], dtype=polars.List(polars.Int128)),
    c=polars.Series(["lo", "hi", None] * 100, dtype=polars.Categorical),
    d=polars.Series(["lo", "hi", None] * 100, dtype=polars.Enum(["never", "hi", "lo"])),
    e=polars.Series([datetime.timedelta(row) for row in rows]),
    f=polars.Series([day] * ROWS, dtype=polars.Datetime("us", "Europe/Berlin")),
    g=polars.Series([decimal.Decimal(row) for row in rows], dtype=polars.Decimal(30, 2)),
    h=polars.Series([datetime.time(1)] * ROWS),
)
frame.write_parquet("in.parquet")
for flags in ((), ANEW):
    transform("in.parquet", "out.parquet", *flags)
    polars.testing.assert_frame_equal(polars.read_parquet("out.parquet").select(frame.columns), frame)

# INT96 beyond the years that nanoseconds of 64 bits reach.
far = [day, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), datetime.datetime(1, 1, 1), None] * 75
for how in ({}, {"store_schema": False}):
    for column in (pa.array(far, pa.timestamp("us")), pa.array([[t] for t in far], pa.list_(pa.timestamp("us")))):
        write(column, use_deprecated_int96_timestamps=True, **how)
        for flags in ((), ANEW):
            transform("in.parquet", "out.parquet", *flags)
            assert by_duckdb("out.parquet", "c")[1] == [(value,) for value in column.to_pylist()], flags
        transform("in.parquet", "out.arrow")
        assert feather.read_table("out.arrow")["c"].to_pylist() == column.to_pylist()
nanoseconds = pa.array([1234567891234567891] * ROWS, pa.timestamp("ns"))
write(nanoseconds, use_deprecated_int96_timestamps=True)
transform("in.parquet", "out.parquet", *ANEW)
assert pq.read_table("out.parquet")["c"].combine_chunks().equals(nanoseconds), "the stored schema says nanoseconds"

# A CSV file's times are times, whichever command reads it.
with open("in.csv", "w") as file:
    file.write("x,c,d\n" + "".join(f"{value},2024-02-29 23:59:{row % 60:02},2024-02-29\n" for row, value in enumerate(x)))
expected = [(datetime.datetime(2024, 2, 29, 23, 59, row % 60), datetime.date(2024, 2, 29)) for row in rows]
transform("in.csv", "out.parquet")
ok("fit-transform", "in.csv", "too.parquet", "--epochs", "1", "--quiet", "--force")
for path in ("out.parquet", "too.parquet"):
    assert duckdb.sql(f"select c, d from '{path}'").fetchall() == expected, path
    assert pq.read_schema(path).field("c").type == pa.timestamp("ms"), path
    assert pandas.read_parquet(path)["c"].dtype.kind == "M", path
transform("in.csv", "out.arrow")
assert feather.read_table("out.arrow").schema.field("c").type == pa.timestamp("s"), "Arrow has seconds"

# Arrow files: the same, and what does not fit is refused with its name.
for column, fits in (
    (pa.array([day] * ROWS, pa.timestamp("s", "UTC")), True),
    (pa.array([86_400_000] * ROWS, pa.date64()), True),
    (pa.array([[day.time()]] * ROWS, pa.list_(pa.time32("s"))), True),
    (pa.array([2**60] * ROWS, pa.timestamp("s")), False),
    (pa.array([1] * ROWS, pa.int64()).view(pa.date64()), False),
):
    feather.write_feather(pa.table({"x": x, "c": column}), "in.arrow")
    for words in (("transform", "in.arrow", "out.parquet"), ("fit-transform", "in.arrow", "out.parquet", "--epochs", "1")):
        done = run(*words, "--force", "--quiet")
        assert (done.returncode == 0) == fits, (column.type, done.stderr)
        if fits:
            assert pq.read_table("out.parquet")["c"].to_pylist() == column.to_pylist(), column.type
            assert by_duckdb("out.parquet", "c")[0][0] != "BIGINT"
        else:
            assert done.returncode == 65 and 'in.arrow, column "c"' in done.stderr, done.stderr

# pandas: ordered categories are the same ones in the same order, and names of several levels stay readable.
categories = pandas.Categorical(["lo", "hi", None] * 100, categories=["lo", "mid", "hi", "never"], ordered=True)
frame = pandas.DataFrame({"x": x, "c": categories, "d": categories.rename_categories({"never": "lo, too"})})
frame.to_parquet("in.parquet", row_group_size=70)
frame.to_feather("in.arrow")
for words in (
    ("transform", "in.parquet"),
    ("transform", "in.parquet", *ANEW),
    ("transform", "in.parquet", "--where", "x < 9"),
    ("transform", "in.arrow"),
    ("transform", "in.arrow", "--compression", "none"),
    ("fit-transform", "in.arrow", "--columns", "x", "--epochs", "1"),
):
    ok(words[0], words[1], "out.parquet", "--force", "--quiet", *words[2:])
    pandas.testing.assert_frame_equal(pandas.read_parquet("out.parquet")[["x", "c", "d"]], frame)
    assert polars.read_parquet("out.parquet")["c"].cast(str).to_list() == ["lo", "hi", None] * 100
    assert by_duckdb("out.parquet", "c")[1] == [(word,) for word in ["lo", "hi", None] * 100]
    file = pq.ParquetFile("out.parquet")
    assert sum(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)) == ROWS
pandas.DataFrame({"x": x, "c": pandas.Categorical([None] * ROWS, categories=[], ordered=True)}).to_parquet("in.parquet")
transform("in.parquet", "out.parquet", *ANEW)
assert pq.read_table("out.parquet")["c"].null_count == ROWS
for levels in ([("a", "x"), ("a", "y")], [("a", 1), ("it's", 2)]):
    columns = pandas.MultiIndex.from_tuples(levels, names=["one", None])
    two = pandas.DataFrame(numpy.stack([x, x], 1), columns=columns)
    two.to_parquet("in.parquet")
    ok("fit", "in.parquet", "-m", "two.safetensors", "--force", "--epochs", "1", "--quiet")
    for flags in ((), ANEW):
        transform("in.parquet", "out.parquet", "-m", "two.safetensors", *flags)
        found = pandas.read_parquet("out.parquet")
        assert found[("z_0", "")].dtype == "float32" and list(found.columns.names) == ["one", None]
        assert found.iloc[:, 0].tolist() == two.iloc[:, 0].tolist() and str(found.columns[0][0]) == "a"

# What describes the columns is brought up to date in both places where pyarrow writes it.
features = {"x": {"dtype": "float64", "_type": "Value"}, "y": {"dtype": "float64", "_type": "Value"}}
hugging_face = json.dumps({"info": {"features": features}})
table = pq.read_table("xy.parquet").replace_schema_metadata({"huggingface": hugging_face, "mine": "1"})
pq.write_table(table, "in.parquet")
for flags in ((), ANEW, ("--drop-features",)):
    transform("in.parquet", "out.parquet", *flags)
    keys = pq.ParquetFile("out.parquet").metadata.metadata
    stored = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(keys[b"ARROW:schema"]))).metadata
    for place in (keys, stored):
        described = json.loads(place[b"huggingface"])["info"]["features"]
        assert set(described) == set(pq.read_schema("out.parquet").names), (flags, described)
        assert place[b"mine"] == b"1" and b"vaepipe.version" in place
print("columns of every type are the same to every reader")
