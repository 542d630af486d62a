"""Every kind of output of a transform, read by pyarrow, polars and pandas, holds the same table to the bit.

Usage: formats.py VAEPIPE REPOSITORY WORK_DIR, which holds flights.safetensors"""

import os
import subprocess
import sys
from pathlib import Path

import pandas
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.feather as feather
import pyarrow.parquet as pq

vaepipe, repository, work = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve() / "formats"
work.mkdir()
os.chdir(work)
FLIGHTS = repository / "sample_data/flights.parquet"


def transform(source, output, *flags, **how):
    command = [vaepipe, "transform", source, output, "-m", "../flights.safetensors", "--quiet", *flags]
    return subprocess.run([str(word) for word in command], check=True, **how)


rows = pq.read_table(FLIGHTS)
rows = rows.add_column(0, "row", pa.array(range(rows.num_rows)))
pq.write_table(rows, "rows.parquet")
transform("rows.parquet", "spliced.parquet")
spliced = pq.read_table("spliced.parquet")
plain = pa.schema(field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                  for field in spliced.schema)


def same(read, columns=spliced.column_names):
    """Whether a table holds the spliced one's columns, in whatever order its rows and text types are."""
    if isinstance(read, polars.DataFrame):
        read = read.to_arrow()
    if read["row"].to_pylist() != list(range(read.num_rows)):
        read = read.sort_by("row")
    for name in columns:
        expected = spliced[name].cast(plain.field(name).type).combine_chunks()
        found = read[name].combine_chunks()
        if pa.types.is_dictionary(found.type):
            found = found.dictionary_decode()
        assert found.cast(expected.type).equals(expected), name
    assert set(columns) <= set(read.column_names)


assert spliced.select(rows.column_names).equals(rows)
same(polars.read_parquet("spliced.parquet"))

# Parquet, encoded anew.
for codec in ["none", "snappy", "gzip", "lz4", "brotli", "zstd"]:
    transform("rows.parquet", f"{codec}.parquet", "--compression", codec, "--row-group-size", 5000)
    file = pq.ParquetFile(f"{codec}.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5000, 5000, 5000, 1000]
    chunk = file.metadata.row_group(0).column(0).compression.lower()
    assert chunk == {"none": "uncompressed"}.get(codec, codec), chunk
    same(file.read())
    same(polars.read_parquet(f"{codec}.parquet"))

# Arrow IPC, file and stream.
for codec in ["none", "lz4", "zstd"]:
    transform("rows.parquet", f"{codec}.arrow", "--compression", codec)
    with pa.memory_map(f"{codec}.arrow") as file:
        same(pa.ipc.open_file(file).read_all())
    same(polars.read_ipc(f"{codec}.arrow"))
    same(feather.read_table(f"{codec}.arrow"))
    with open(f"{codec}.arrows", "wb") as file:
        transform("rows.parquet", "-", "--compression", codec, stdout=file)
    with open(f"{codec}.arrows", "rb") as file:
        same(pa.ipc.open_stream(file).read_all())
    same(polars.read_ipc_stream(f"{codec}.arrows"))

# A lake in Hive's layout, from one that another program wrote; with its keys, and as one file.
pq.write_to_dataset(rows, "lake", partition_cols=["origin", "month"])
transform("lake", "scored/")
same(ds.dataset("scored", partitioning="hive").to_table())
same(polars.read_parquet("scored/**/*.parquet", hive_partitioning=True))
layout = [sorted(path.relative_to(root) for path in Path(root).rglob("*.parquet")) for root in ("lake", "scored")]
assert layout[0] == layout[1] and len(layout[0]) == 36, layout
transform("lake", "one.parquet")
same(pq.read_table("one.parquet"))
transform("lake/origin=JFK/*/*.parquet", "one.arrow")
jfk = feather.read_table("one.arrow").sort_by("row")
assert jfk["z_0"].combine_chunks().equals(
    spliced.filter(pa.compute.equal(spliced["origin"].cast(pa.string()), "JFK"))["z_0"].combine_chunks())

# What others write, as input: Arrow files and streams of pyarrow and polars, and their CSV.
for name, write in {
    "by-pyarrow.arrow": lambda name: feather.write_feather(rows, name),
    "by-polars.arrow": lambda name: polars.from_arrow(rows).write_ipc(name, compression="zstd"),
    "by-polars.arrows": lambda name: polars.from_arrow(rows).write_ipc_stream(name),
    "by-polars.parquet": lambda name: polars.from_arrow(rows).write_parquet(name),
}.items():
    write(name)
    transform(name, "from.parquet", "--force")
    same(pq.read_table("from.parquet"))
print("every output is one table to three readers")
