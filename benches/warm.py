#!/usr/bin/env python3
"""Which share of the learning rate suits a fit with a base model: too much unlearns, too little does not follow.

    warm.py VAEPIPE [--seeds N] FILE.parquet[:COLUMN]...

Needs: pip install pyarrow. Half the rows of a file make a model; rows of the other half are new: of the same kind if no
column is named (drawn at random), else those that are later in that column, after the middle. Columns `label` and `split`
are not learned. Prints a Markdown table: for each number of new rows the loss of the model on new
calibration rows, in nats a row, and its change with these shares of the learning rate; means over seeds.
"""
import argparse, json, statistics, subprocess, sys, tempfile
from pathlib import Path

import numpy as np, pyarrow.compute as pc, pyarrow.parquet as pq

PARTS = [1, 0.5, 0.25, 0.1, 0.03]
SIZES = [300, 1000, 3000, 10_000, 30_000]
MOST = 100_000


def halves(file, column):
    rows = pq.read_table(file)
    rows = rows.take(np.random.default_rng(1).permutation(len(rows))[:MOST])
    if column:
        later = pc.sort_indices(rows[column]).to_numpy()[len(rows) // 2 :]
        is_later = np.isin(np.arange(len(rows)), later)
        return rows.filter(~is_later), rows.filter(is_later)
    return rows.slice(0, len(rows) // 2), rows.slice(len(rows) // 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program"), parser.add_argument("files", nargs="+"), parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    print("| file | new rows are | new rows | before |" + "".join(f" {part:g} |" for part in PARTS))
    print("|---|---|---|---|" + "---|" * len(PARTS))
    for file, _, column in (name.partition(":") for name in arguments.files):
        old, new = halves(file, column)
        drop = ",".join({"label", "split"} & set(old.column_names))
        flags = "--threads 1 --force -q --summary json" + (f" --exclude {drop}" if drop else "")
        with tempfile.TemporaryDirectory() as folder:

            def run(words):
                ran = subprocess.run([program, *words.split()], cwd=folder, check=True, capture_output=True)
                return json.loads(ran.stdout)

            pq.write_table(old, f"{folder}/old.parquet")
            for size in [size for size in SIZES if size < len(new)] + [len(new)]:
                pq.write_table(new.slice(0, size), f"{folder}/new.parquet")
                before, change = [], {part: [] for part in PARTS}
                for seed in range(arguments.seeds):
                    run(f"fit old.parquet -m old.safetensors --seed {seed} {flags}")
                    whole = run("inspect old.safetensors --summary json")["metadata"]["training"]["lr"]
                    for part in PARTS:
                        done = run(
                            f"fit --init old.safetensors new.parquet -m new.safetensors --accept-worse --seed {seed}"
                            f" --lr {whole * part} {flags}"
                        )
                        change[part].append(done["held_out_loss"] - done["init"]["held_out_loss"])
                    before.append(done["init"]["held_out_loss"])
                cells = "".join(f" {statistics.mean(change[part]):+.3f} |" for part in PARTS)
                kind = f"later in {column}" if column else "of the same kind"
                print(f"| {Path(file).stem} | {kind} | {size} | {statistics.mean(before):.3f} |{cells}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
