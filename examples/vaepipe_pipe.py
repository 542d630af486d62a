"""Arrow record batches through a command that reads an Arrow IPC stream and writes one, as `vaepipe transform - -` does.

Needs pyarrow alone. Spark and Ray run it in their workers: spark_transform.py, ray_transform.py.
"""

import argparse
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading

import pyarrow as pa

GRACE = 60  # seconds a child has to exit once its output has ended
TAIL = 16384  # bytes of its stderr that an error shows


class ChildFailed(RuntimeError):
    """The command failed, or returned other than all rows; the message ends with its stderr."""


def transform_command(model, flags=(), program="vaepipe"):
    """One worker's command: engines run one for each core."""
    return [program, "transform", "-", "-", "--model", str(model), "--threads", "1", "--quiet", *flags]


def arguments(doc):
    """What both examples are given; `flags` is what stands after `--`."""
    own, flags = sys.argv[1:], []
    if "--" in own:
        own, flags = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="Parquet files, in any place that the engine reads")
    parser.add_argument("output", help="the directory to write")
    parser.add_argument("--model", default="vae.safetensors")
    parser.add_argument("--program", default="vaepipe")
    return parser.parse_args(own, argparse.Namespace(flags=flags))


def output_schema(model, schema, flags=(), program="vaepipe"):
    """The Arrow schema of what a transform of rows of `schema` returns, which engines need before they have rows."""
    rows = pa.BufferOutputStream()
    pa.ipc.new_stream(rows, schema).close()
    command = [program, "schema", str(model), "-", "--format", "arrow", *flags]
    ran = subprocess.run(command, input=rows.getvalue().to_pybytes(), capture_output=True, check=False)
    if ran.returncode != 0:
        raise ChildFailed(_words(command, f"exited with {ran.returncode}", ran.stderr))
    return pa.ipc.open_stream(ran.stdout).schema


def through(command, batches, same_rows=True):
    """Yields what `command` makes of `batches`, in order; of no batch nothing, and then it is not run.

    Another thread takes from `batches` while this one yields. An error of `batches` is raised here, and the command does
    not see the end of its input then. With `same_rows`, other than as many rows as went in are an error. When it fails
    or is closed early, the command's process group is killed.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    feeder = _Feeder(child, first.schema, itertools.chain([first], batches))
    stderr = _Stderr(child)
    try:
        feeder.start()
        stderr.start()
        returned, torn, reader = 0, None, None
        while True:
            try:
                reader = reader or pa.ipc.open_stream(child.stdout)
                batch = reader.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowException, OSError) as error:
                torn = error
                break
            returned += batch.num_rows
            yield batch
        what = _failure(child, torn)
        stderr.join(GRACE)
        if feeder.upstream is not None:
            raise feeder.upstream
        if what is None:
            # It has read its input to the end, of which the feeder may not know yet.
            feeder.join(GRACE)
            if not feeder.done:
                what = "ended before its input did"
            elif same_rows and returned != feeder.rows:
                what = f"returned {returned} rows of {feeder.rows}"
        if what is not None:
            raise ChildFailed(_words(command, what, bytes(stderr.tail)))
    finally:
        _kill(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            # Only the feeder may still be in one, waiting for its next batch.
            with contextlib.suppress(OSError):
                pipe.close()


class _Feeder(threading.Thread):
    """Writes batches to a child's stdin, and the end-of-stream marker after the last one, but not after an error."""

    def __init__(self, child, schema, batches):
        super().__init__(name="vaepipe-feeder", daemon=True)
        self.child, self.schema, self.batches = child, schema, batches
        self.rows, self.done, self.upstream = 0, False, None

    def run(self):
        try:
            stdin = self.child.stdin
            writer = pa.ipc.new_stream(stdin, self.schema)
            while (batch := self._next()) is not None:
                writer.write_batch(batch)
                stdin.flush()
                self.rows += batch.num_rows
            if self.upstream is None:
                writer.close()
                stdin.close()
                self.done = True
        except (OSError, ValueError):
            pass  # the child is gone, or killed and its pipe closed; how it ended says why

    def _next(self):
        try:
            return next(self.batches, None)
        except Exception as error:  # whatever it is, the caller gets it
            self.upstream = error
            # Half of the rows must not look like all of them.
            _kill(self.child)
            return None


class _Stderr(threading.Thread):
    """Keeps the end of what a child says."""

    def __init__(self, child):
        super().__init__(name="vaepipe-stderr", daemon=True)
        self.pipe, self.tail = child.stderr, bytearray()

    def run(self):
        with contextlib.suppress(OSError, ValueError):
            while chunk := self.pipe.read1(1 << 16):
                self.tail += chunk
                del self.tail[:-TAIL]


def _failure(child, torn):
    """What is wrong with a child whose output has ended."""
    try:
        code = child.wait(GRACE)
    except subprocess.TimeoutExpired:
        return f"did not exit within {GRACE} s of its output's end"
    if code != 0:
        return f"exited with {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
    return f"wrote a stream that cannot be read: {torn}" if torn is not None else None


def _kill(child):
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _words(command, what, stderr):
    return f"{' '.join(map(str, command))} {what}\n{stderr.decode(errors='replace').strip()}"
