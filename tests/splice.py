"""Random tables of every type, encoding and codec that pyarrow writes and polars reads come through a transform as they
were: polars reads the same from the output as from the input.

Usage: splice.py VAEPIPE FOLDER [TABLES]
Needs: pip install polars pyarrow
"""

import datetime
import decimal
import pathlib
import random
import subprocess
import sys

import polars
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq

vaepipe, folder, tables = sys.argv[1], pathlib.Path(sys.argv[2]), int((sys.argv + ["60"])[3])
chance = random.Random(0)
day = datetime.datetime(2024, 2, 29, 23, 59, 59)


def word():
    return "".join(chance.choices("aäø 0\n'\"", k=chance.randrange(6)))


def decimals(digits, scale):
    return lambda: decimal.Decimal(chance.randrange(-(10 ** (digits - 1)), 10 ** (digits - 1))).scaleb(-scale)


def moment():
    return day + datetime.timedelta(microseconds=chance.randrange(10**15))


def whole(bits, signed):
    least = -(2 ** (bits - 1)) if signed else 0
    return lambda: chance.randrange(least, least + 2**bits)


# A value of each type.
VALUES = {
    **{getattr(pa, f"int{bits}")(): whole(bits, True) for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): whole(bits, False) for bits in (8, 16, 32, 64)},
    pa.float32(): lambda: chance.choice([0.0, -0.0, 1.5, float("inf"), chance.randrange(99) / 4]),
    pa.float64(): lambda: chance.choice([0.0, float("-inf"), 5e-324, chance.random()]),
    pa.bool_(): lambda: chance.random() < 0.5,
    pa.string(): word,
    pa.large_string(): word,
    pa.string_view(): word,
    pa.binary(): lambda: chance.randbytes(chance.randrange(5)),
    pa.large_binary(): lambda: chance.randbytes(chance.randrange(5)),
    pa.binary(3): lambda: chance.randbytes(3),
    pa.date32(): lambda: moment().date(),
    pa.time32("ms"): lambda: datetime.time(chance.randrange(24), 30),
    pa.time64("us"): lambda: moment().time(),
    pa.timestamp("ms"): lambda: moment().replace(microsecond=0),
    pa.timestamp("us"): moment,
    pa.timestamp("ns", "UTC"): moment,
    pa.timestamp("us", "Europe/Berlin"): moment,
    pa.duration("us"): lambda: datetime.timedelta(microseconds=chance.randrange(10**12)),
    pa.decimal128(9, 2): decimals(9, 2),
    pa.decimal128(38, 10): decimals(38, 10),
    pa.dictionary(pa.int32(), pa.string()): word,
    pa.dictionary(pa.int8(), pa.large_string()): word,
    pa.list_(pa.int32()): lambda: [chance.randrange(9) for _ in range(chance.randrange(4))],
    pa.large_list(pa.string()): lambda: [word() for _ in range(chance.randrange(4))],
    pa.list_(pa.float32(), 2): lambda: [1.0, chance.random()],
    pa.struct({"a": pa.int64(), "b": pa.list_(pa.string())}): lambda: {"a": chance.randrange(9), "b": [word()]},
    pa.null(): lambda: None,
}
CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
ENCODINGS = {
    "PLAIN": lambda _: True,
    "DELTA_BINARY_PACKED": lambda kind: kind in (pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.timestamp("us")),
    "DELTA_LENGTH_BYTE_ARRAY": lambda kind: kind in (pa.string(), pa.binary(), pa.large_string(), pa.large_binary()),
    "DELTA_BYTE_ARRAY": lambda kind: kind in (pa.string(), pa.binary(), pa.large_string(), pa.large_binary()),
    "BYTE_STREAM_SPLIT": lambda kind: kind in (pa.float32(), pa.float64(), pa.int32(), pa.int64()),
    "RLE": lambda kind: kind == pa.bool_(),
}


def column(kind, rows):
    missing = chance.choice([0, 0, 0.3, 1])
    return pa.array([None if chance.random() < missing else VALUES[kind]() for _ in range(rows)], kind)


def write(path, rows):
    """A table of all types in random order, cut, encoded and compressed at random."""
    kinds = chance.sample(list(VALUES), len(VALUES))
    names = [f"{n} {kind}" for n, kind in enumerate(kinds)]
    columns = {"x": pa.array([float(row % 17) for row in range(rows)])}
    columns |= {name: column(kind, rows) for name, kind in zip(names, kinds)}
    encodings = {
        name: chance.choice([encoding for encoding, fits in ENCODINGS.items() if fits(kind)])
        for name, kind in zip(names, kinds)
        if kind.num_fields == 0 and not pa.types.is_dictionary(kind) and chance.random() < 0.5
    }
    plain = [name for name in columns if name not in encodings]
    pq.write_table(
        pa.table(columns),
        path,
        row_group_size=chance.randrange(1, 200),
        compression={name: chance.choice(CODECS) for name in columns},
        use_dictionary=[name for name in plain if chance.random() < 0.7],
        column_encoding=encodings or None,
        version=chance.choice(["2.4", "2.6"]),
        data_page_version=chance.choice(["1.0", "2.0"]),
        data_page_size=chance.choice([64, 4096, 1 << 20]),
        write_page_index=chance.random() < 0.5,
        write_statistics=chance.random() < 0.8,
        store_schema=chance.random() < 0.8,
    )


def run(*arguments):
    subprocess.run([vaepipe, *map(str, arguments), "--quiet"], check=True)


source, target, model = (folder / name for name in ("splice-in.parquet", "splice-out.parquet", "splice.safetensors"))
write(source, 300)
run("fit", source, "--columns", "x", "--epochs", 1, "--latent-dim", 1, "--hidden", 4, "-m", model, "--force")
for table in range(tables):
    write(source, chance.randrange(400))
    run("transform", source, target, "-m", model, "--force")
    before, after = polars.read_parquet(source), polars.read_parquet(target)
    assert after.columns == [*before.columns, "z_0", "recon_error", "anomaly_score", "p_value", "is_anomaly"], table
    polars.testing.assert_frame_equal(before, after.select(before.columns), check_exact=True)
print(f"{tables} tables of {len(VALUES)} types: the same to polars")
