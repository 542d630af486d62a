#!/usr/bin/env python3
"""Draws rows with vaepipe and with CTGAN's TVAE, both with their defaults and fitted to the same rows, and measures how much
they are like fresh ones.

    generate.py VAEPIPE [--seeds N] FILE.parquet...

Needs: pip install ctgan sdmetrics pyarrow scikit-learn. Every fifth row is fresh: neither side sees it. Rows with a missing
value, constant columns and, unless one is named `label`, columns of words that hardly repeat are left out, and times are
numbers of seconds, since TVAE takes none of these; of many rows, 16,000 evenly spaced ones are taken.

Prints a Markdown table: sdmetrics' column shapes and column-pair trends against the fresh rows (1 is best); and the share of
drawn rows that are nearer to a row of the fit than to any of as many fresh ones (numbers by standard deviation, words as 0 or
1): 0.5 if they are as new as fresh rows are, 1 if they are copies.
"""
import argparse, statistics, subprocess, tempfile
from pathlib import Path

import numpy as np, pandas as pd, torch
from ctgan import TVAE
from sdmetrics.reports.single_table import QualityReport
from sklearn.neighbors import NearestNeighbors


def table(path):
    rows = pd.read_parquet(path)
    rows = rows.drop(columns=[name for name in rows if name == "split"]).dropna().reset_index(drop=True)
    if len(rows) > 16_000:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, 16_000).astype(int)].reset_index(drop=True)
    for name in rows:
        if pd.api.types.is_datetime64_any_dtype(rows[name]):
            rows[name] = (rows[name] - pd.Timestamp(0, tz=rows[name].dt.tz)).dt.total_seconds()
        elif not pd.api.types.is_numeric_dtype(rows[name]):
            rows[name] = rows[name].astype(str)
    hardly = lambda column: not pd.api.types.is_numeric_dtype(column) and column.nunique() > 110
    return rows[[name for name in rows if rows[name].nunique() > 1 and not hardly(rows[name])]]


def words(rows):
    return [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name]) or rows[name].nunique() <= 2]


def quality(fresh, drawn):
    kinds = {name: {"sdtype": "categorical" if name in words(fresh) else "numerical"} for name in fresh}
    report = QualityReport()
    report.generate(fresh, drawn[list(fresh)], {"columns": kinds}, verbose=False)
    return report.get_properties().set_index("Property")["Score"].tolist()


def as_numbers(rows, like):
    parts = []
    for name in like:
        if name in words(like):
            values = sorted(like[name].astype(str).unique())
            parts.append((rows[name].astype(str).to_numpy()[:, None] == np.array(values)) / np.sqrt(2))
        else:
            parts.append(((rows[name] - like[name].mean()) / like[name].std()).to_numpy(float)[:, None])
    return np.hstack(parts)


def copied(fitted, fresh, drawn, seed):
    some = fitted.sample(min(len(fresh), len(fitted)), random_state=seed)
    nearest = lambda rows: NearestNeighbors(n_neighbors=1).fit(as_numbers(rows, fitted)).kneighbors(as_numbers(drawn, fitted))[0][:, 0]
    a, b = nearest(some), nearest(fresh)
    return float(np.mean((a < b) + 0.5 * (a == b)))


def by_vaepipe(program, folder, fitted, count, seed):
    fitted.to_parquet(folder / "fitted.parquet")
    run = lambda words: subprocess.run([program, *words.split()], cwd=folder, check=True, capture_output=True)
    run(f"fit fitted.parquet --force -q --seed {seed}")
    run(f"generate -n {count} drawn.parquet --force -q --seed {seed}")
    return pd.read_parquet(folder / "drawn.parquet")


def by_tvae(fitted, count, seed):
    torch.manual_seed(seed), np.random.seed(seed)
    model = TVAE(enable_gpu=False)
    model.fit(fitted, words(fitted))
    return model.sample(count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program"), parser.add_argument("files", nargs="+"), parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    program = str(Path(options.program).resolve())
    print("| rows | by | column shapes | pair trends | nearer to the fit's rows |\n|---|---|---|---|---|")
    means = {}
    for path in options.files:
        rows = table(path)
        fresh = rows.index % 5 == 0
        fitted, fresh = rows[~fresh].reset_index(drop=True), rows[fresh].reset_index(drop=True)
        results = {"vaepipe": [], "TVAE": []}
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                drawn = by_vaepipe(program, Path(folder), fitted, len(fresh), seed)
            # Columns that are constant in the rows of the fit are drawn, too.
            for name, drawn in [("vaepipe", drawn), ("TVAE", by_tvae(fitted, len(fresh), seed))]:
                results[name].append([*quality(fresh, drawn), copied(fitted, fresh, drawn, seed)])
        for name, found in results.items():
            mean = [statistics.mean(values) for values in zip(*found)]
            means.setdefault(name, []).append(mean)
            figures = " | ".join(f"{value:.3f}" for value in mean)
            print(f"| {Path(path).stem}, {len(fitted):,} x {fitted.shape[1]} | {name} | {figures} |", flush=True)
    for name, found in means.items():
        figures = " | ".join(f"{statistics.mean(values):.3f}" for values in zip(*found))
        print(f"| mean | {name} | {figures} |")


if __name__ == "__main__":
    main()
