"""The pipe that engines run vaepipe through, without an engine. Usage: pipe.py VAEPIPE REPOSITORY WORK_DIR"""

import itertools
import os
import pathlib
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

vaepipe, repository, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
sys.path.insert(0, str(repository / "examples"))
from vaepipe_pipe import ChildFailed, output_schema, through, transform_command  # noqa: E402

model = work / "digits.safetensors"
digits = pq.read_table(repository / "sample_data/digits.parquet")
MARKER = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def python(code, *args):
    """A child that reads `stdin` and writes `stdout`, both of bytes."""
    code = f"import os, sys, subprocess\nstdin, stdout = sys.stdin.buffer, sys.stdout.buffer\n{code}"
    return [sys.executable, "-c", code, *map(str, args)]


def fails(command, batches, *words, error=ChildFailed):
    try:
        list(through(command, batches))
    except error as failure:
        for word in words:
            assert word in str(failure), (word, str(failure))
    else:
        raise AssertionError(f"{command} is taken for sound")


def gone(pid):
    for _ in range(100):
        try:
            # A zombie of somebody else's is as good as gone.
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


command = transform_command(model, program=vaepipe)
copy = python("while chunk := stdin.read1(65536): stdout.write(chunk); stdout.flush()")
# More than pipes hold, either way.
many = [batch for _ in range(40) for batch in digits.to_batches(max_chunksize=500)]
rows = sum(batch.num_rows for batch in many)

# Many batches: all rows, in order, and the numbers that a file gets, to the bit.
scored = pa.Table.from_batches(through(command, many))
expected = pq.read_table(work / "scored.parquet")
assert scored.num_rows == rows
for n in (0, 17, 39):
    part = scored.slice(n * digits.num_rows, digits.num_rows)
    for name in expected.column_names:
        assert part[name].combine_chunks().equals(expected[name].combine_chunks().cast(part[name].type)), name

# The schema is known before there are rows, and is theirs.
assert output_schema(model, digits.schema, program=vaepipe) == scored.schema.remove_metadata()
keep = ["--keep", "label", "--std"]
kept = pa.Table.from_batches(through(transform_command(model, keep, vaepipe), digits.to_batches()))
assert output_schema(model, digits.schema, keep, vaepipe).names == kept.column_names
assert kept.column_names[0] == "label" and "z_std_0" in kept.column_names
try:
    output_schema(model, pa.schema({"x": pa.int64()}), program=vaepipe)
    raise AssertionError("rows of another model are taken")
except ChildFailed as failure:
    assert "exited with 65" in str(failure) and "needs column" in str(failure), failure

# No batch: no child, which could not be started. No rows: as many.
assert list(through(["/nowhere"], [])) == []
none = [pa.RecordBatch.from_pylist([], schema=digits.schema)]
assert sum(batch.num_rows for batch in through(command, none)) == 0
assert sum(batch.num_rows for batch in through(command, none + many[:1] + none)) == many[0].num_rows

# A child that reads everything before it writes, and one that talks too much.
assert sum(batch.num_rows for batch in through(python("stdout.write(stdin.read())"), many)) == rows
loud = python("sys.stderr.write('x' * 5_000_000)\nstdout.write(stdin.read())")
assert sum(batch.num_rows for batch in through(loud, many)) == rows

# An early stop takes the child with it, and its children, though its input has no end.
pids = work / "pids"
nest = python(
    f"inner = subprocess.Popen(['sleep', '1000'])\nopen({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{inner.pid}}')\n"
    "while chunk := stdin.read1(65536): stdout.write(chunk); stdout.flush()"
)
endless = through(nest, itertools.cycle(many))
next(endless)
inner, outer = map(int, pids.read_text().split())
endless.close()
assert gone(inner) and gone(outer)

# A child that fails: at once, in the middle, after all; its stderr is in the error. One that is killed.
fails(transform_command(work / "no.safetensors", program=vaepipe), many, "exited with 2", "no.safetensors: no such model")
words = [f"{'y' * 20000} no room\n", "no room"]
fails(python("stdout.write(stdin.read(100_000)); stdout.flush(); sys.stderr.write(sys.argv[1]); sys.exit(3)", words[0]),
      itertools.cycle(many), "exited with 3", words[1])
fails(python("stdout.write(stdin.read()); sys.stderr.write('too late'); sys.exit(4)"), many, "exited with 4", "too late")
fails(python("stdin.read(1000); os.kill(os.getpid(), 9)"), many, "was ended by SIGKILL")
fails(python("sys.exit(0)"), itertools.cycle(many), "cannot be read")

# An output that is cut: within a message, or at the end of one, where pyarrow sees nothing wrong; and one that ends
# before its input does.
fails(python("stdout.write(stdin.read()[:-1000])"), many, "cannot be read")
cut = "import pyarrow as pa\nreader = pa.ipc.open_stream(stdin)\nwriter = pa.ipc.new_stream(stdout, reader.schema)\n"
fails(python(cut + "for n, batch in enumerate(reader):\n  if n < 7: writer.write_batch(batch)"),
      many, f"returned {sum(batch.num_rows for batch in many[:7])} rows of {rows}")
fails(python(cut + "for n, batch in enumerate(reader):\n  writer.write_batch(batch)\n  if n == 7: break\nwriter.close()"),
      many, "ended before its input did")
assert sum(batch.num_rows for batch in through(
    python(cut + "for n, batch in enumerate(reader):\n  if n < 7: writer.write_batch(batch)"), many, same_rows=False
)) == sum(batch.num_rows for batch in many[:7])


# An error of the rows' producer comes out as it is, and the child never sees an end of its input.
def broken():
    yield from many[:7]
    raise KeyError("upstream")


seen = work / "seen"
tee = python(f"file = open({str(seen)!r}, 'wb', 0)\nwhile chunk := stdin.read1(65536): file.write(chunk); stdout.write(chunk)")
fails(tee, broken(), "upstream", error=KeyError)
assert not seen.read_bytes().endswith(MARKER)
list(through(tee, many[:7]))
assert seen.read_bytes().endswith(MARKER), "this is what its end looks like"
fails(command, broken(), "upstream", error=KeyError)
assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())
            and str(work).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            and b"transform" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()], "a child is left"
print("the pipe holds")
