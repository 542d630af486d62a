"""Compares exported ONNX files with transforms, by onnxruntime and tract: models of sample data, and of random tables.

    python tests/onnx_files.py VAEPIPE REPOSITORY WORK [TABLES]

TRACT in the environment is the program of examples/onnx_tract; without it only onnxruntime is asked. SEED is the first table's.
"""

import decimal
import json
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PROGRAM, ROOT, WORK = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
TABLES = int(sys.argv[4]) if len(sys.argv) > 4 else 12
TRACT = os.environ.get("TRACT")
TYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "string": object}
# Relative to the number, or to the size of the terms that it is a sum of.
CLOSE = 1e-5


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments), "--quiet"], check=True, capture_output=True, text=True).stdout


def column(table, given):
    """A column as the input of a graph."""
    array = table.column(given["name"]).combine_chunks()
    mark, dtype = given["missing"], TYPES.get(given["type"], given["type"])
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if given["length"] is not None:
        number = float("nan") if mark == "NaN" else int(mark or 0)
        missing = [None] * given["length"]
        rows = [[number if x is None else x for x in (row or missing)] for row in array.to_pylist()]
        rows = [row if len(row) == given["length"] else [number] * given["length"] for row in rows]
        return np.array(rows, dtype)
    if given["unit"] is not None:
        array = array.cast(pa.int64() if array.type.bit_width == 64 else pa.int32())
    values = array.to_pylist()
    if mark is None:
        assert None not in values, given
        return np.array(values, dtype)
    missing = {"NaN": float("nan")}.get(mark, mark if given["type"] == "string" else None)
    missing = int(mark) if missing is None else missing
    return np.array([missing if value is None else value for value in values], dtype)


def scale_of(name, elements):
    """The size of the terms that a number is a sum of, where they may cancel."""
    return {"z": 1.0, "latent_distance": 1.0, "kl": 1.0}.get(name, elements if name in SUMS else 0.0)


SUMS = {"recon_nll", "elbo", "anomaly_score", "combined", "neighbor_distance", "marginal_nll"}


# One row in so many may differ. A rank does by rounding, next to the score of a training row, and so does what is made of ranks:
# most where distances are small beside the coordinates that they are differences of. A row that all but equals a stored one may
# count as that row itself. A value at the edge of a bin may be in either.
FEW = {"p_value": 20, "combined": 8, "anomaly_score": 8, "neighbor_distance": 100, "marginal_nll": 100}
# With a direction, a row whose score is the same as it is and with expected values may be taken for either.
FEW_WITH_DIRECTIONS = 100


def compare(name, table, model, *flags, opset=17, directed=False):
    """Rows by a transform and by onnxruntime."""
    data, scored, file = WORK / "rows.parquet", WORK / "scored.parquet", WORK / f"{name}.onnx"
    pq.write_table(table, data)
    table = pq.read_table(data)  # in the units that Parquet has
    run("transform", data, scored, "-m", model, "--force", "--score", "all", "--std", *flags)
    told = run("export", file, "-m", model, "--force", "--score", "all", "--std", "--opset", opset, "--summary", "json", *flags)
    told = json.loads(told.splitlines()[-1])
    proto = onnx.load(file)
    onnx.checker.check_model(proto, full_check=True)
    onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    inputs = {given["name"]: column(table, given) for given in told["inputs"]}
    found = by_onnxruntime(file, told["outputs"], inputs)
    wanted = pq.read_table(scored)
    elements = max(1, len(told["inputs"]), *(given["length"] or 0 for given in told["inputs"]))
    worst = differences(name, found, wanted, elements, directed)
    if TRACT:
        tract = by_tract(file, told, inputs)
        for key, value in differences(f"{name} by tract", tract, wanted, elements, directed).items():
            worst[key] = max(worst[key], value)
    anomalies = int(np.sum(found["is_anomaly"])) if "is_anomaly" in found else None
    sizes = f"{os.path.getsize(model)} B model, {os.path.getsize(file)} B ONNX, {len(proto.graph.node)} nodes"
    greatest = max((value, key) for key, value in worst.items() if isinstance(value, float))
    print(f"{name}: {len(wanted)} rows, {sizes}, {anomalies} anomalies, {greatest[0]:.1e} in {greatest[1]}, "
          f"{worst.get('p_value')} ranks and {worst.get('is_anomaly')} decisions differ", flush=True)


def by_onnxruntime(file, outputs, inputs):
    """What onnxruntime finds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found = dict(zip(outputs, session.run(outputs, inputs)))
    # One row alone gives the same.
    first = session.run(outputs, {key: value[:1] for key, value in inputs.items()})
    np.testing.assert_allclose(first[0], found[outputs[0]][:1], rtol=1e-4, atol=1e-5)
    return found


def by_tract(file, told, inputs):
    """What tract finds."""
    described, rows = WORK / "described.json", []
    described.write_text(json.dumps(told))
    # JSON has neither NaN nor infinity; a number beyond all others counts as infinity does.
    bounded = lambda value: np.nan_to_num(value.astype(float), nan=np.nan, posinf=1e300, neginf=-1e300)
    lists = {key: (bounded(value) if value.dtype.kind == "f" else value).tolist() for key, value in inputs.items()}
    for row in range(len(next(iter(lists.values())))):
        values = {key: value[row] for key, value in lists.items()}
        rows.append(json.dumps(null_for_nan(values)))
    done = subprocess.run([TRACT, file, described], input="\n".join(rows), check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    columns = {name: [line[name] for line in lines] for name in told["outputs"]}
    kinds = {"is_anomaly": bool, "cluster": int}
    return {name: np.array(column, kinds.get(name, float)) for name, column in columns.items()}


def null_for_nan(value):
    if isinstance(value, dict):
        return {key: null_for_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [null_for_nan(part) for part in value]
    return None if isinstance(value, float) and value != value else value


def differences(name, found, wanted, elements, directed):
    """The largest difference of each output, which is small, and how many ranks and decisions differ."""
    worst = {}
    for output, values in found.items():
        if values.ndim == 2:
            expected = np.stack([wanted[f"{output}_{n}"].to_numpy() for n in range(values.shape[1])], 1)
        else:
            expected = wanted[output].to_pylist()
        if output in ("is_anomaly", "cluster"):
            none = {"is_anomaly": False, "cluster": -1}[output]
            expected = np.array([none if value is None else value for value in expected])
            worst[output] = int((expected != values).sum())
            # A row on the border between two decisions may fall on either side.
            assert worst[output] <= max(1, len(values) // 500), (name, output, worst[output])
            continue
        expected = np.array(expected, float)
        assert (np.isnan(expected) == np.isnan(values)).all(), (name, output)
        if output == "p_value":
            off = np.abs(values - expected) > CLOSE * np.abs(expected)
            worst[output] = int(off.sum())
            assert worst[output] <= max(2, len(values) // FEW[output]), (name, output, worst[output])
            continue
        size = np.maximum(np.abs(expected), scale_of(output, elements) + 1e-30)
        if output == "recon_error":
            # The square of a difference of numbers that are as large as 1.
            size = np.maximum(size, 0.1 * np.sqrt(expected))
        off = np.abs(values - expected) / size
        off = np.sort(off[~np.isnan(off)])
        few = FEW.get(output, FEW_WITH_DIRECTIONS if directed else None)
        if few is not None:
            off = off[: len(off) - max(2, len(off) // few)]
        worst[output] = float(off[-1]) if off.size else 0.0
        assert worst[output] < CLOSE, (name, output, worst[output])
    return worst


def spoiled(table, rng):
    """Rows with nulls, NaN, infinities, and words and numbers that the fit did not see."""
    columns = {}
    for field in table.schema:
        values = table[field.name].to_pylist()
        for row in rng.sample(range(len(values)), max(1, len(values) // 10)):
            if pa.types.is_floating(field.type):
                values[row] = rng.choice([None, float("nan"), float("inf"), -float("inf"), 1e300, -1e30, 0.0])
            elif pa.types.is_string(field.type):
                values[row] = rng.choice([None, "not seen", "ß", "other"])
            elif field.nullable and field.metadata is None and has_nulls(table, field.name):
                values[row] = None
        try:
            columns[field.name] = pa.array(values, field.type)
        except (OverflowError, pa.ArrowInvalid):
            columns[field.name] = table[field.name]
    return pa.table(columns, schema=table.schema)


def has_nulls(table, name):
    return table[name].null_count > 0


def random_table(rng, rows=400):
    """A table of columns of random kinds."""
    base = [rng.gauss(0, 1) for _ in range(rows)]
    def number(scale=1.0, at=0.0):
        slope = rng.uniform(-1, 1)
        return [at + scale * (slope * x + rng.gauss(0, 0.5)) for x in base]
    def words(n):
        return [f"w{min(n - 1, int(abs(x * n / 3 + rng.gauss(0, 1))))}" for x in base]
    def sparse(values, rate=0.1):
        return [None if rng.random() < rate else value for value in values]
    start = rng.choice([0, 951_782_400, 1_700_000_000, -3_000_000_000])
    times = [start + int(rng.uniform(0, 800 * 86_400)) for _ in range(rows)]
    kinds = {
        "f32": lambda: pa.array(number(), pa.float32()),
        "f64": lambda: pa.array(sparse(number(1e3, -50)), pa.float64()),
        "skewed": lambda: pa.array([np.exp(3 * x) for x in number()], pa.float64()),
        "heavy": lambda: pa.array([np.sinh(2 * x) for x in number()], pa.float64()),
        "i8": lambda: pa.array([max(-128, min(127, int(x))) for x in number(30)], pa.int8()),
        "i32": lambda: pa.array(sparse([int(x) for x in number(30)]), pa.int32()),
        "i64": lambda: pa.array([int(x) for x in number(1e5)], pa.int64()),
        "u8": lambda: pa.array([max(0, min(255, int(x))) for x in number(90, 120)], pa.uint8()),
        "u8_nulls": lambda: pa.array(sparse([max(0, min(255, int(x))) for x in number(300, 120)]), pa.uint8()),
        "money": lambda: pa.array([decimal.Decimal(f"{x:.2f}") for x in number(50)], pa.decimal128(12, 2)),
        "flag": lambda: pa.array([x > 0.3 for x in number()], pa.bool_()),
        "flag_nulls": lambda: pa.array(sparse([x > 0.3 for x in number()]), pa.bool_()),
        "word": lambda: pa.array(words(5), pa.string()),
        "word_nulls": lambda: pa.array(sparse(words(9) if rng.random() < 0.5 else ["" if w == "w1" else w for w in words(4)]), pa.string()),
        "dictionary": lambda: pa.array(words(4), pa.string()).dictionary_encode(),
        "time": lambda: pa.array(times, pa.timestamp("s", "UTC")).cast(pa.timestamp(rng.choice(["ms", "us", "ns"]), "UTC")),
        "local": lambda: pa.array(sparse(times), pa.timestamp("s", "+05:30")),
        "date": lambda: pa.array([t // 86_400 for t in times], pa.int32()).cast(pa.date32()),
        "clock": lambda: pa.array([int(t % 86_400) for t in times], pa.time32("s")),
        "took": lambda: pa.array([int(abs(x) * 1e4) for x in number()], pa.duration("ms")),
        "list": lambda: pa.array([list(row) for row in zip(number(), number(), [1.5] * rows, number())], pa.list_(pa.float32(), 4)),
        "bytes": lambda: pa.array([[max(0, min(255, int(x))) for x in row] for row in zip(number(40, 99), number(50, 120))], pa.list_(pa.uint8())),
        "one": lambda: pa.array(["same"] * rows, pa.string()),
        "seven": lambda: pa.array([7] * rows, pa.int16()),
        "half": lambda: pa.array(sparse([0.1] * rows), pa.float32()),
    }
    chosen = rng.sample(sorted(kinds), rng.randint(3, 8))
    if not set(chosen) - {"one", "seven", "half", "time", "local", "date"}:
        chosen.append("f32")
    return pa.table({name: kinds[name]() for name in chosen})


def review(rng, table, model):
    """Teaches the model what somebody says of some rows."""
    reviewed = rng.sample(range(len(table)), rng.randint(1, 12))
    verdicts = [rng.choice(["anomaly", "normal"]) for _ in reviewed]
    pq.write_table(table.take(pa.array(reviewed)).append_column("verdict", pa.array(verdicts)), WORK / "reviewed.parquet")
    run("feedback", model, WORK / "reviewed.parquet")


def random_flags(rng, table):
    flags = ["--epochs", 3, "--hidden", rng.choice(["none", "8", "16,8"]), "--seed", rng.randint(0, 99)]
    flags += ["--latent-dim", rng.randint(1, 3), "--activation", rng.choice(["relu", "tanh", "silu"])]
    flags += ["--scale", rng.choice(["standard", "robust", "minmax", "asinh"])]
    flags += ["--members", rng.choice([1, 1, 2])]
    flags += rng.choice([[], ["--preset", "anomaly"], ["--anomaly-score", "recon_error"]])
    numbers = [field.name for field in table.schema if pa.types.is_floating(field.type) and field.name != "half"]
    if numbers:
        flags += rng.choice([[], ["--map", f"{rng.choice(numbers)}={rng.choice(['quantile', 'log1p', 'asinh'])}"]])
        if rng.random() < 0.3:
            flags += ["--direction", f"{rng.choice(numbers)}={rng.choice(['high', 'low'])}"]
    given = [name for name in table.column_names if name in ("word", "word_nulls", "dictionary", "i32", "f64", "time")]
    given = [name for name in given if not any(str(flag).startswith(f"{name}=") for flag in flags)]
    if given and len(table.column_names) > 3 and rng.random() < 0.5:
        flags += ["--given", rng.choice(given)]
    if rng.random() < 0.3:
        flags += ["--clusters", 2]
    return flags


def main():
    model = WORK / "onnx.safetensors"
    table = pq.read_table(ROOT / "sample_data/digits.parquet")
    run("fit", ROOT / "sample_data/digits.parquet", "-m", model, "--force", "--exclude", "label,split", "--epochs", 5)
    for opset in (13, 17, 21):
        compare(f"digits_{opset}", table, model, opset=opset)
    flights = pq.read_table(ROOT / "sample_data/flights.parquet")
    flights = flights.take(pa.array(sorted(random.Random(1).sample(range(len(flights)), 2000))))
    pq.write_table(flights, WORK / "some.parquet")
    for name, flags in [("flights", []), ("odd_flights", ["--preset", "anomaly"]), ("given_flights", ["--given", "carrier,time_hour"])]:
        run("fit", WORK / "some.parquet", "-m", model, "--force", "--exclude", "tailnum", "--epochs", 4, *flags)
        compare(name, flights, model)
        compare(f"spoiled_{name}", spoiled(flights, random.Random(2)), model, "--contamination", 0.02)
    seed = int(os.environ.get("SEED", 0))
    for number in range(seed, seed + TABLES):
        rng = random.Random(number)
        table = random_table(rng)
        flags = random_flags(rng, table)
        pq.write_table(table, WORK / "random.parquet")
        try:
            run("fit", WORK / "random.parquet", "-m", model, "--force", *flags)
            if "anomaly" in flags and rng.random() < 0.5:
                review(rng, table, model)
            directed = "--direction" in flags
            compare(f"random_{number}", table, model, directed=directed)
            compare(f"spoiled_{number}", spoiled(table, rng), model, "--contamination", 0.05, directed=directed)
        except subprocess.CalledProcessError as error:
            print(number, table.schema, flags, error.stderr, sep="\n")
            raise
        except AssertionError:
            print(number, table.schema, flags, sep="\n")
            raise


main()
