#!/usr/bin/env python3
"""What ten verdicts are worth: average precision on rows held back, before and after feedback.

    feedback.py VAEPIPE FOLDER [--every N] [--wrong N] [--review train|test]

Each Parquet file in FOLDER holds numbers x_*, label (1: an anomaly) and split (train, test). A model is fitted to the
training rows without labels. As a reviewer would, somebody then looks at the ten rows with the highest scores: of the
training rows, or of a random half of the test rows. `vaepipe feedback` gets their labels, --wrong of them turned around.
Judged on the other test rows: average precision, and how many ordinary rows have a p-value of at most 0.01 and 0.05.
Needs numpy, pyarrow and scikit-learn.
"""
import argparse
import pathlib
import subprocess
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score

REVIEWED = 10


def scored(vaepipe, model, rows, folder):
    pq.write_table(rows, folder / "rows.parquet")
    subprocess.run([vaepipe, "transform", folder / "rows.parquet", folder / "scored.parquet", "-m", model, "--force", "-q"], check=True, capture_output=True)
    return pq.read_table(folder / "scored.parquet")


def column(table, name):
    return table[name].to_numpy(zero_copy_only=False)


def judge(a, path, folder, draw):
    table = pq.read_table(path)
    names = [name for name in table.column_names if name.startswith("x_")]
    split, label = column(table, "split"), column(table, "label").astype(int)
    rows, labels = {}, {}
    for part in ("train", "test"):
        rows[part], labels[part] = table.select(names).filter(pa.array(split == part)), label[split == part]
    pq.write_table(rows["train"], folder / "train.parquet")
    model, taught = folder / "model.safetensors", folder / "taught.safetensors"
    subprocess.run([a.vaepipe, "fit", folder / "train.parquet", "--preset", "anomaly", "-m", model, "--force", "-q"], check=True, capture_output=True)
    held = np.arange(len(labels["test"]))
    looked = np.arange(len(labels["train"]))
    if a.review == "test":
        shuffled = draw.permutation(held)
        looked, held = np.sort(shuffled[: len(held) // 2]), np.sort(shuffled[len(held) // 2 :])
    pool, truth = rows[a.review].take(pa.array(looked)), labels[a.review][looked]
    before = scored(a.vaepipe, model, pool, folder)
    top = np.argsort(-column(before, "anomaly_score"), kind="stable")[:REVIEWED]
    verdict = truth[top].astype(bool)
    wrong = draw.choice(len(top), a.wrong, replace=False)
    verdict[wrong] = ~verdict[wrong]
    pq.write_table(before.take(pa.array(top)).append_column("verdict", pa.array(verdict)), folder / "reviewed.parquet")
    subprocess.run([a.vaepipe, "feedback", model, folder / "reviewed.parquet", "-o", taught, "--force", "-q"], check=True, capture_output=True)
    test, truth = rows["test"].take(pa.array(held)), labels["test"][held]
    if truth.sum() < 3:
        return None
    found = []
    for which in (model, taught):
        scores = scored(a.vaepipe, which, test, folder)
        p = column(scores, "p_value")[truth == 0]
        precision = average_precision_score(truth, np.nan_to_num(column(scores, "anomaly_score"), posinf=1e30))
        found.append((precision, np.mean(p <= 0.01), np.mean(p <= 0.05)))
    return np.array(found)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("vaepipe"), p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--every", type=int, default=1), p.add_argument("--wrong", type=int, default=0)
    p.add_argument("--review", choices=["train", "test"], default="train")
    a = p.parse_args()
    draw, all_found = np.random.default_rng(0), []
    for path in sorted(a.folder.glob("*.parquet"))[:: a.every]:
        with tempfile.TemporaryDirectory() as folder:
            found = judge(a, path, pathlib.Path(folder), draw)
        if found is None:
            continue
        all_found.append(found)
        (b, p1, p5), (t, q1, q5) = found
        print(f"{path.stem[:40]:40}  {b:.3f} -> {t:.3f} ({t - b:+.3f})  p <= .01: {p1:.3f} -> {q1:.3f}, p <= .05: {p5:.3f} -> {q5:.3f}", flush=True)
    all_found = np.array(all_found)
    (b, p1, p5), (t, q1, q5) = all_found.mean(0)
    gain = all_found[:, 1, 0] - all_found[:, 0, 0]
    print(f"mean of {len(gain)}: {b:.3f} -> {t:.3f} ({t - b:+.3f}), worst {gain.min():+.3f}, below -.02: {(gain < -0.02).sum()}; "
          f"p <= .01: {p1:.4f} -> {q1:.4f}, p <= .05: {p5:.4f} -> {q5:.4f}")


if __name__ == "__main__":
    main()
