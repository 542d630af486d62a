#!/usr/bin/env python3
"""Anomalies in series: VUS-PR of vaepipe's scores, beside those of plain linear detectors on the same windows.

    sequences.py FOLDER [--vaepipe PATH] [--flags='--window 32']

FOLDER holds series as Parquet files: NAB's (`nab_*.parquet`: `timestamp`, `value`, `label`) and SKAB's (`skab_*.parquet`:
`datetime`, eight sensors, `label`, `changepoint`). A fit sees the first quarter of a NAB series, at most 4,500 rows, and the first
400 rows of SKAB; every row is scored. No label is seen by a fit. VUS-PR is that of the package TSB-AD, with its estimate of the
period as window; never point adjustment. Beside it, how far values are from what was expected of them.

Needs numpy, polars, scikit-learn, statsmodels, and TSB-AD (pip install --no-deps TSB-AD).
"""
import argparse, pathlib, subprocess, tempfile, warnings
import numpy as np, polars as pl
from TSB_AD.evaluation.basic_metrics import generate_curve
from TSB_AD.utils.slidingWindows import find_length_rank

warnings.filterwarnings("ignore")


def means(x, window):
    """Means over rows 0, 1, 2 to 3, 4 to 7, ... before each; the first row stands for those before it."""
    sums = np.cumsum(np.vstack([np.zeros((1, x.shape[1])), np.repeat(x[:1], window, 0), x]), 0)
    at = np.arange(len(x)) + window
    lags = [(0, 1)] + [(1 << k, 2 << k) for k in range(window.bit_length() - 1)]
    return np.hstack([(sums[at - a + 1] - sums[at - b + 1]) / (b - a) for a, b in lags])


def plain(x, n):
    """Scores without a network: Mahalanobis distance, and distance from neighbours in a half-whitened space."""
    v = means(x, 64)
    u = (v - v[:n].mean(0)) / (v[:n].std(0) + 1e-9)
    values, vectors = np.linalg.eigh(u[:n].T @ u[:n] / n)
    values = np.maximum(values, 0)
    yield "Mahalanobis distance of a window", ((u @ vectors) ** 2 / (values + 0.02)).sum(1)
    w = u @ vectors * (values + 1e-3) ** -0.25
    t = w[np.linspace(0, n - 1, min(n, 1500)).astype(int)]
    d = np.maximum((w**2).sum(1)[:, None] - 2 * w @ t.T + (t**2).sum(1), 0)
    yield "distance from 5 neighbours", np.sqrt(np.partition(d, 5, axis=1)[:, :6]).mean(1)


def vaepipe(program, flags, table, n, time, folder):
    """What the program says of every row: its anomaly score, and what was expected of its numbers."""
    left_out = ",".join(name for name in ("label", "changepoint") if name in table.columns)
    past, all_rows, model, out = (folder / name for name in ("past.parquet", "all.parquet", "m.safetensors", "out.parquet"))
    table[:n].write_parquet(past)
    table.write_parquet(all_rows)
    fit = ["fit", past, "-m", model, "--order-by", time, "--exclude", left_out, *flags]
    for command in (fit, ["transform", all_rows, out, "-m", model, "--expected", "0.9"]):
        subprocess.run([program, *command, "--force", "-q"], check=True, stderr=subprocess.DEVNULL)
    return pl.read_parquet(out)


def forecasts(scored, n):
    """Of each number after the rows of the fit: the error of what was expected by that of the value before, and the coverage."""
    for name in (name.removesuffix("_expected") for name in scored.columns if name.endswith("_expected")):
        x, expected, low, high = (scored[f"{name}{what}"].to_numpy().astype(float) for what in ("", "_expected", "_low", "_high"))
        still = np.abs(np.diff(x[n - 1 :])).mean()
        if still > 0:
            yield np.abs(x[n:] - expected[n:]).mean() / still, ((low[n:] <= x[n:]) & (x[n:] <= high[n:])).mean()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--vaepipe", default="vaepipe")
    p.add_argument("--flags", default="", help="more flags of the fit")
    a = p.parse_args()
    found, expected = [], []
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(a.folder.glob("*.parquet")):
            table = pl.read_parquet(file)
            if "label" not in table.columns or not table["label"].sum():
                continue
            nab = file.name.startswith("nab")
            time = "timestamp" if nab else "datetime"
            # One series has an hour twice: its clock goes back.
            table = table.with_columns(pl.col(time).cum_max())
            x = table.drop(time, "label", "changepoint", strict=False).to_numpy().astype(float)
            y, n = table["label"].to_numpy().astype(int), min(len(table) // 4, 4500) if nab else 400
            scored = vaepipe(a.vaepipe, a.flags.split(), table, n, time, pathlib.Path(folder))
            scores = [*plain(x, n), ("vaepipe", scored["anomaly_score"].to_numpy())]
            expected += [{"set": "NAB" if nab else "SKAB", "error": e, "within 90 %": c} for e, c in forecasts(scored, n)]
            period = find_length_rank(x[:, :1], rank=1)
            for name, score in scores:
                vus_pr = generate_curve(y, score, period)[-1]
                found.append({"set": "NAB" if nab else "SKAB", "scores": name, "VUS-PR": vus_pr})
    with pl.Config(tbl_formatting="MARKDOWN", tbl_hide_column_data_types=True, fmt_str_lengths=60):
        print(pl.DataFrame(found).group_by("scores", "set", maintain_order=True).agg(pl.col("VUS-PR").mean().round(3), pl.len().alias("series")))
        columns = [pl.col("error").median().round(3), pl.col("error").mean().round(3).alias("mean"), pl.col("within 90 %").mean().round(3), pl.len().alias("numbers")]
        print(pl.DataFrame(expected).group_by("set", maintain_order=True).agg(columns))


if __name__ == "__main__":
    main()
