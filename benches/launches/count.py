"""Fits and transforms twice on the counting driver; the difference is what a step and a batch ask of the device."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def counts(path):
    lines = (line.split() for line in pathlib.Path(path).read_text().splitlines())
    return {(kind, name): (int(number), int(size)) for kind, name, number, size in lines}


def table(title, less, more, times):
    """What `more` asks for beyond `less`, an n-th of it."""
    print(f"\n{title}")
    sums = {}
    for key in sorted(more):
        number, size = ((b - a) / times for a, b in zip(less.get(key, (0, 0)), more[key]))
        if number or size:
            print(f"  {key[0]:<11} {key[1]:<28} {number:9.2f} {size:14.0f}")
            total = sums.setdefault(key[0], [0, 0])
            total[0] += number
            total[1] += size
    for kind, (number, size) in sums.items():
        print(f"  {kind:<11} {'(all)':<28} {number:9.2f} {size:14.0f}")


def main(vaepipe, rows, batch, columns, *flags):
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)

        def write(name, rows):
            data = rng.standard_normal((rows, columns), dtype=np.float32)
            pq.write_table(pa.table({f"c{n}": data[:, n] for n in range(columns)}), name)

        def run(name, *arguments):
            environment = os.environ | {"LAUNCHES": f"{name}.counts"}
            subprocess.run([vaepipe, *arguments, "--device", "cuda"], env=environment, check=True)
            return counts(f"{name}.counts")

        write("in.parquet", rows)
        write("more.parquet", 2 * rows)
        fit = ["fit", "in.parquet", "--force", "--batch-size", str(batch), "--val-fraction", "0", *flags]
        steps = rows // batch
        less = run("less", *fit, "--epochs", "1")
        more = run("more", *fit, "--epochs", "3")
        table(f"a training step of {batch} rows of {columns} columns", less, more, 2 * steps)
        less = run("less", "transform", "in.parquet", "out.parquet", "--force", "-m", "vae.safetensors")
        more = run("more", "transform", "more.parquet", "out.parquet", "--force", "-m", "vae.safetensors")
        table("1,000 rows of a transform", less, more, rows / 1000)


if __name__ == "__main__":
    vaepipe, _, rows, batch, columns, *flags = sys.argv[1:]
    main(vaepipe, int(rows), int(batch), int(columns), *flags)
