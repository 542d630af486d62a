"""What pyarrow and DuckDB read of a file, they read of what is made of it: every file below some folders goes through
inspect, fit, and a transform by copying, by encoding anew and to Arrow; both read each output back.

Usage: differential.py VAEPIPE FOLDER... [--work DIR] [--jobs N]

A file that is none of ours to read is refused with a message that names it. Whatever comes back otherwise than it was is
a deviation, unless `expected` says why it is right. Exits with 1 on a deviation, a panic or a hang.
Needs: pip install duckdb pyarrow
"""

import argparse
import collections
import gzip
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet as pq

# Seconds that a command, and all that is done with a file, may take.
COMMAND, FILE = 180, 1800

# A column that only the path has: any file can be transformed by a model of it, also one with nothing to learn.
KEY = "part"

# The ways from a file to an output: its name and the flags for it.
ROUTES = {"copy": ("copy.parquet", []), "anew": ("anew.parquet", ["--compression", "zstd"]), "arrow": ("out.arrow", [])}


def form(path):
    """The format of a file, if it is one that is read."""
    with open(path, "rb") as file:
        start = file.read(8)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    name = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if start[:4] in (b"PAR1", b"PARE"):
        return "Parquet"
    if start[:6] == b"ARROW1" or start[:4] == b"FEA1":
        return "Arrow file"
    if start[:4] == b"\xff\xff\xff\xff" or name in (".stream", ".arrows"):
        return "Arrow stream"
    return {
        ".parquet": "Parquet", ".arrow": "Arrow file", ".feather": "Arrow file", ".ipc": "Arrow file",
        ".csv": "CSV", ".ndjson": "NDJSON", ".jsonl": "NDJSON",
    }.get(name)


def by_pyarrow(path, kind):
    """The table that pyarrow reads."""
    opened = gzip.open if path.suffix == ".gz" and kind in ("CSV", "NDJSON") else open
    with opened(path, "rb") as file:
        if kind == "Parquet":
            # INT96 as microseconds: nanoseconds do not reach the years that Spark writes.
            return pq.ParquetFile(file, coerce_int96_timestamp_unit="us").read()
        if kind == "Arrow file":
            return pa.feather.read_table(file) if file.read(4) == b"FEA1" else pa.ipc.open_file(file).read_all()
        if kind == "Arrow stream":
            return pa.ipc.open_stream(file).read_all()
        return pa.csv.read_csv(file) if kind == "CSV" else pa.json.read_json(file)


def by_duckdb(path, kind, table):
    """The table that DuckDB reads: of a format that it does not read, what it makes of pyarrow's table."""
    with duckdb.connect(config={"threads": 1}) as session:
        if kind == "Parquet":
            relation = session.read_parquet(str(path), hive_partitioning=False)
        else:
            relation = session.from_arrow(table)
        found = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.arrow()
        return found.read_all() if hasattr(found, "read_all") else found


def values(array):
    """An array's values, to be compared: times as nanoseconds, and floats with the sign of a zero."""
    kind = array.type
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in values(chunk)]
    if isinstance(kind, pa.BaseExtensionType):
        return values(array.storage)
    if pa.types.is_dictionary(kind):
        words = values(array.dictionary)
        return [None if place is None else words[place] for place in array.indices.to_pylist()]
    if pa.types.is_run_end_encoded(kind):
        return values(pc.run_end_decode(array))
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        whole = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        if pa.types.is_date(kind):
            each = 86_400_000_000_000 if pa.types.is_date32(kind) else 1_000_000
        else:
            each = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[kind.unit]
        return [None if value is None else value * each for value in whole.to_pylist()]
    if pa.types.is_floating(kind):
        return [None if value is None else value.hex() for value in map(as_float, array.to_pylist())]
    if pa.types.is_struct(kind):
        fields = [values(array.field(place)) for place in range(kind.num_fields)]
        rows = list(zip(*fields)) if fields else [()] * len(array)
        return [row if there else None for row, there in zip(rows, array.is_valid().to_pylist())]
    if pa.types.is_map(kind):
        return values(array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))))
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        lengths = array.value_lengths().to_pylist()
        flat = iter(values(array.flatten()))
        return [None if length is None else [next(flat) for _ in range(length)] for length in lengths]
    return array.to_pylist()


def as_float(value):
    return None if value is None else float(value)


def rebuilt(kind, of):
    """A nested type with each of the types in it as `of` has it."""
    field = lambda field: field.with_type(of(field.type))
    if pa.types.is_struct(kind):
        return pa.struct([field(kind.field(place)) for place in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(field(kind.key_field), field(kind.item_field), kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(field(kind.value_field))
    if pa.types.is_list(kind):
        return pa.list_(field(kind.value_field))
    return kind


def expected(kind, given, route, reasons):
    """The type that pyarrow reads of an output, for a column of type `kind` in a file of the format `given`; `reasons` takes
    why that is another one."""
    def because(reason, other):
        reasons.add(reason)
        return expected(other, given, route, reasons)

    if pa.types.is_run_end_encoded(kind) and route != "arrow":
        return because("Parquet has no runs: they are written out", kind.value_type)
    if pa.types.is_dictionary(kind) and route == "arrow":
        return because("an Arrow output has dictionaries written out", kind.value_type)
    if given in ("CSV", "NDJSON") and pa.types.is_null(kind):
        return because("a column of text files without a value is text", pa.string())
    if given != "Parquet" and route != "arrow":
        words = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
        if pa.types.is_dictionary(kind) and not any(of(kind.value_type) for of in words):
            return because("pyarrow restores dictionaries of words alone from Parquet", kind.value_type)
        if pa.types.is_timestamp(kind) and kind.unit == "s":
            return because("Parquet has no seconds: they are milliseconds", pa.timestamp("ms", kind.tz))
        if pa.types.is_time32(kind) and kind.unit == "s":
            return because("Parquet has no seconds: they are milliseconds", pa.time32("ms"))
        if pa.types.is_date64(kind):
            return because("a date of Parquet counts days", pa.date32())
        if is_bare_interval(kind):
            return because("pyarrow reads Parquet's INTERVAL as its 12 bytes", pa.binary(12))
    is_encoded = route == "anew" or (given != "Parquet" and route == "copy")
    if is_encoded and pa.types.is_dictionary(kind) and kind.index_type.bit_width < 32:
        wide = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
        return because("dictionaries of several batches together have keys of 32 bits", wide)
    return rebuilt(kind, lambda inner: expected(inner, given, route, reasons))


def expected_by_duckdb(kind, given, route, reasons):
    """The same as DuckDB reads it."""
    if given in ("CSV", "NDJSON") and pa.types.is_null(kind):
        return expected(kind, given, route, reasons)
    if given != "Parquet" and route != "arrow" and pa.types.is_fixed_size_list(kind):
        reasons.add("Parquet has no lists of one length")
        return pa.list_(kind.value_field)
    if given != "Parquet" and route != "arrow" and pa.types.is_timestamp(kind) and kind.unit in ("s", "ms"):
        reasons.add("DuckDB reads seconds and milliseconds of Parquet as microseconds")
        return pa.timestamp("us", kind.tz)
    return kind


def is_bare_interval(kind):
    """Whether pyarrow has no Python for values of this type."""
    return str(kind) in ("month_interval", "day_time_interval")


def are_long_numbers(floats, texts):
    """Whether texts are whole numbers, one at least too large for 64 bits, that were read as these floats."""
    if not (pa.types.is_float64(floats.type) and pa.types.is_string(texts.type)):
        return False
    pairs = list(zip(floats.to_pylist(), texts.to_pylist(), strict=True))
    return all(text is None or re.fullmatch("-?[0-9]+", text) and float(text) == number for number, text in pairs) and any(
        text and abs(int(text)) >= 2**63 for _, text in pairs)


class Deviation(Exception):
    """A column that does not come back as it was."""


def compare(before, after, types, reader, given, reasons):
    """Holds the first columns of a table against those of another, which have these types."""
    if after.num_rows != before.num_rows:
        raise Deviation(f"{reader} reads {after.num_rows} rows, of {before.num_rows}")
    for place, (field, wanted) in enumerate(zip(before.schema, types)):
        found = after.schema.field(place)
        if found.name != field.name:
            raise Deviation(f"{reader} reads column {found.name!r} in the place of {field.name!r}")
        if given == "CSV" and are_long_numbers(before.column(place), after.column(place)):
            reasons.add("whole numbers of CSV beyond 64 bits stay text: a float would lose digits")
            continue
        if given in ("CSV", "NDJSON") and pa.types.is_timestamp(wanted) and pa.types.is_timestamp(found.type):
            # The unit is the reader's choice.
            wanted = pa.timestamp(found.type.unit, wanted.tz)
        if found.type != wanted:
            raise Deviation(f"column {field.name!r}: {reader} reads {found.type}, where {wanted} is right")
        if is_bare_interval(field.type):
            if found.type == field.type and not before.column(place).equals(after.column(place)):
                raise Deviation(f"column {field.name!r}: {reader} reads other values")
            continue
        pairs = zip(values(before.column(place)), values(after.column(place)), strict=True)
        for row, (one, other) in enumerate(pairs):
            if one == other:
                continue
            if given == "CSV" and one == "" and other is None:
                reasons.add("an empty field of CSV is a missing value; pyarrow has it empty, of text")
                continue
            if given == "Parquet" and pa.types.is_timestamp(wanted) and other is not None and abs(other) >= 2**63:
                reasons.add("pyarrow gives other years for those of INT96 that nanoseconds do not reach")
                continue
            said = [repr(value)[:80] for value in (one, other)]
            raise Deviation(f"column {field.name!r}, row {row}: {reader} reads {said[1]}, where {said[0]} is right")


def attempt(read):
    """What a reader reads, or `None` and what it says is wrong."""
    try:
        return read(), None
    except Exception as error:  # noqa: BLE001, whatever a reader raises
        return None, (str(error).strip() or type(error).__name__).splitlines()[0][:160]


class File:
    """A file on its way through the program."""

    def __init__(self, vaepipe, path, kind, work, spare):
        self.vaepipe, self.path, self.kind, self.work, self.spare = vaepipe, path, kind, work, spare
        self.outcomes = []
        # The file alone, under its own name, and the same in a directory that gives it a column.
        self.alone, self.keyed = work / "alone" / path.name, work / "keyed" / f"{KEY}=1" / path.name
        for place in (self.alone, self.keyed):
            place.parent.mkdir(parents=True)
            place.symlink_to(path)

    def say(self, step, outcome, detail=""):
        self.outcomes.append((step, outcome, detail))

    def run(self, step, *arguments):
        """Runs a command, and says how it ended unless it did well."""
        command = [self.vaepipe, *map(str, arguments), "--quiet"]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=COMMAND, cwd=self.work)
        except subprocess.TimeoutExpired:
            return self.say(step, "hang", f"no end after {COMMAND} s")
        said = ended.stderr.decode(errors="replace").strip()
        errors = [line for line in said.splitlines() if not line.startswith(("warning", "hint", " "))]
        message = " ".join(errors)[:300]
        if ended.returncode == 0:
            return True
        if ended.returncode not in (1, 2, 65):
            return self.say(step, "panic", f"exit code {ended.returncode}: {message}")
        # The input, or the output where that is what cannot be.
        named = [self.alone, self.keyed, *(output for output in arguments[2:3] if isinstance(output, pathlib.Path))]
        if not any(str(place) in said for place in named):
            return self.say(step, "nameless", f"a message that does not name the file: {message}")
        self.say(step, "refused", message.replace(str(self.work), "").replace(f"/alone/{self.path.name}", "FILE")
                 .replace(f"/keyed/{KEY}=1/{self.path.name}", "FILE"))

    def examine(self):
        before, unreadable = attempt(lambda: by_pyarrow(self.path, self.kind))
        duck, duck_unreadable = None, "it reads no such file"
        if self.kind == "Parquet" or before is not None:
            duck, duck_unreadable = attempt(lambda: by_duckdb(self.path, self.kind, before))
        if unreadable and duck_unreadable:
            self.say("read", "unreadable", f"pyarrow: {unreadable}; DuckDB: {duck_unreadable}")
        elif unreadable or duck_unreadable:
            self.say("read", "by one", f"pyarrow: {unreadable or 'reads it'}; DuckDB: {duck_unreadable or 'reads it'}")
        if self.run("inspect", "inspect", self.alone):
            self.say("inspect", "done")
        model = self.work / "own.safetensors"
        learned = self.run("fit", "fit", self.alone, "-m", model, "--epochs", 1, "--latent-dim", 1, "--hidden", 4)
        if learned:
            self.say("fit", "done")
        for route, (name, flags) in ROUTES.items():
            source, output = self.alone, self.work / name
            if not learned:
                model, source = self.spare, self.work / "keyed"
                if route == "copy" and self.kind == "Parquet":
                    # In a mirrored directory the key stays in the path, and chunks are copied.
                    output = self.work / "mirrored/"
                    output.mkdir()
            if self.run(route, "transform", source, output, "-m", model, *flags):
                outputs = [path for path in output.rglob("*") if path.is_file()] if output.is_dir() else [output]
                self.compare(route, outputs[0], before, duck)

    def compare(self, route, output, before, duck):
        """Reads an output back."""
        kind, reasons = "Arrow file" if route == "arrow" else "Parquet", set()
        after, unreadable = attempt(lambda: by_pyarrow(output, kind))
        if route == "arrow":
            # DuckDB reads no Arrow: it is given what pyarrow reads, of both.
            duck = None if before is None else attempt(lambda: by_duckdb(self.path, kind, before))[0]
        try:
            if before is not None:
                if unreadable:
                    raise Deviation(f"pyarrow cannot read the output: {unreadable}")
                types = [expected(of, self.kind, route, reasons) for of in before.schema.types]
                compare(before, after, types, "pyarrow", self.kind, reasons)
            if duck is not None:
                found, unreadable = attempt(lambda: by_duckdb(output, kind, after))
                if unreadable:
                    raise Deviation(f"DuckDB cannot read the output: {unreadable}")
                types = [expected_by_duckdb(of, self.kind, route, reasons) for of in duck.schema.types]
                compare(duck, found, types, "DuckDB", self.kind, reasons)
        except Deviation as deviation:
            return self.say(route, "deviation", str(deviation))
        if before is None and duck is None:
            return self.say(route, "ours alone")
        self.say(route, "explained" if reasons else "equal", "; ".join(sorted(reasons)))


def child(file, to):
    file.examine()
    to.send(file.outcomes)


def examine(files, jobs):
    """The outcomes of each file: a process each, as a reader may crash."""
    waiting, running = list(reversed(files)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            file = waiting.pop()
            ours, theirs = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.Process(target=child, args=(file, theirs))
            process.start()
            theirs.close()
            running[ours] = (file, process, time.monotonic() + FILE)
        for ours in multiprocessing.connection.wait(running, timeout=5):
            file, process, _ = running.pop(ours)
            try:
                outcomes = ours.recv()
            except EOFError:
                process.join()
                outcomes = [("read", "reader crashed", f"exit code {process.exitcode}")]
            process.join()
            shutil.rmtree(file.work)
            yield file, outcomes
        for ours, (file, process, end) in list(running.items()):
            if time.monotonic() > end:
                process.kill()
                del running[ours]
                yield file, [("read", "reader crashed", f"no end after {FILE} s")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vaepipe", type=pathlib.Path)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", type=pathlib.Path, help="where every outcome is written, a JSON object a line")
    options = parser.parse_args()
    multiprocessing.set_start_method("fork")
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        work = pathlib.Path(work)
        spare = work / "spare.safetensors"
        pq.write_table(pa.table({KEY: [row % 7 for row in range(100)]}), work / "spare.parquet")
        subprocess.run([options.vaepipe.resolve(), "fit", work / "spare.parquet", "-m", spare, "--epochs", "1", "--latent-dim",
                        "1", "--hidden", "4", "--quiet"], check=True)
        paths = sorted(path for folder in options.folders for path in folder.resolve().rglob("*") if path.is_file())
        kinds = [(path, form(path)) for path in paths]
        files = [File(options.vaepipe.resolve(), path, kind, work / str(number), spare)
                 for number, (path, kind) in enumerate(kinds) if kind]
        counts, failed = collections.Counter(), 0
        report = open(options.report, "w") if options.report else None
        for file, outcomes in examine(files, options.jobs):
            for step, outcome, detail in outcomes:
                counts[step, outcome] += 1
                if report:
                    print(json.dumps([str(file.path), file.kind, step, outcome, detail]), file=report, flush=True)
                if outcome in ("deviation", "panic", "hang", "nameless", "reader crashed"):
                    failed += 1
                    print(f"{file.path}\n  {step}: {outcome}: {detail}")
    print(f"{len(files)} files")
    for (step, outcome), count in sorted(counts.items()):
        print(f"{step:>8} {outcome:<14} {count}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
