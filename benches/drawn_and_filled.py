#!/usr/bin/env python3
"""Rows in order that are drawn, and gaps that are filled: how near both are to the series that a model was fitted to.

    drawn_and_filled.py FOLDER [--vaepipe PATH] [--every N]

FOLDER holds series as `sequences.py` has them; beside them an AR(1) process, a random walk, and a wave with noise. A fit sees the
first half of a series, at most 3,000 rows. 200 sequences of 200 rows are compared with as many stretches of the fit's rows: the
spread, the correlation with the row before and 24 rows before, the mean step, the Kolmogorov-Smirnov distance of the values; and the
share of anomalies among them with that among the rows after the fit, without the first 64 of each, whose windows are not full. Gaps of 1, 5 and 20 rows in the second half are filled: the
absolute error by that of a straight line, by what the rows before lead to expect (`--expected`) by the same, and the coverage of
intervals of 90 %.

Needs numpy and polars.
"""
import argparse, pathlib, subprocess, tempfile
import numpy as np, polars as pl


def simulated(n=4000):
    e, t = np.random.default_rng(0).normal(size=(3, n)), np.arange(n)
    ar = np.zeros(n)
    for i in range(1, n):
        ar[i] = 0.9 * ar[i - 1] + e[0, i]
    for name, x in (("AR(1)", ar), ("random walk", np.cumsum(e[1])), ("wave + noise", 10 * np.sin(t / 24 * 2 * np.pi) + e[2])):
        yield name, "timestamp", pl.DataFrame({"timestamp": pl.Series(t * 300_000_000).cast(pl.Datetime("us")), "value": x})


def correlation(x, lag):
    d = x - x.mean()
    return (d[:, lag:] * d[:, :-lag]).mean() / (d * d).mean()


def drawn(real, rows):
    """Of a number, `[sequences, rows]` each: how the drawn ones differ."""
    a, b = np.sort(real.ravel()), np.sort(rows.ravel())
    both = np.concatenate([a, b])
    ks = np.abs(np.searchsorted(a, both, side="right") / len(a) - np.searchsorted(b, both, side="right") / len(b)).max()
    step = lambda x: np.abs(np.diff(x)).mean() + 1e-12
    return {"spread": b.std() / a.std(), "KS": ks, "lag 1": abs(correlation(rows, 1) - correlation(real, 1)), "lag 24": abs(correlation(rows, 24) - correlation(real, 24)), "step": step(rows) / step(real)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--vaepipe", default="vaepipe")
    p.add_argument("--every", type=int, default=1, help="take one of so many series")
    a = p.parse_args()
    rng, sequences, gaps = np.random.default_rng(1), [], []
    files = [file for file in sorted(a.folder.glob("*.parquet"))][:: a.every]
    series = [*simulated()] + [(f.name[:4].rstrip("_").upper(), "timestamp" if f.name.startswith("nab") else "datetime", pl.read_parquet(f)) for f in files]
    with tempfile.TemporaryDirectory() as folder:
        at = {name: f"{folder}/{name}" for name in ("past", "rest", "m", "drawn", "holes", "out", "scored")}
        run = lambda *args: subprocess.run([a.vaepipe, *args, "--force", "-q"], check=True, stderr=subprocess.DEVNULL)
        for name, time, table in series:
            table = table.drop("label", "changepoint", strict=False).with_columns(pl.col(time).cum_max(), pl.exclude(time).cast(float))
            n = min(len(table) // 2, 3000)
            past, rest = table[:n], table[n:]
            numbers = [c for c in past.columns if c != time and past[c].n_unique() > 2]
            if not numbers:
                continue
            past.write_parquet(at["past"])
            run("fit", at["past"], "-m", at["m"], "--order-by", time)
            run("generate", "-n", "40000", "--steps", "200", at["drawn"] + ".parquet", "-m", at["m"])
            new = pl.read_parquet(at["drawn"] + ".parquet")
            new.filter(pl.col("sequence") < 5).drop("sequence").write_parquet(at["out"])
            rest.write_parquet(at["rest"])
            anomalies = []
            for which in ("drawn", "rest"):
                share = []
                for s in range(5) if which == "drawn" else [None]:
                    source = new.filter(pl.col("sequence") == s).drop("sequence") if which == "drawn" else rest
                    source.write_parquet(at["holes"])
                    run("transform", at["holes"], at["scored"], "-m", at["m"])
                    share.append(pl.read_parquet(at["scored"])["is_anomaly"][64:].mean())
                anomalies.append(np.mean(share))
            starts = rng.integers(0, max(1, n - 200), 200)
            for c in numbers:
                x = past[c].to_numpy()
                if x.std() > 0:
                    real = np.stack([x[s : s + 200] for s in starts])
                    sequences.append({"series": name, **drawn(real, new[c].to_numpy().reshape(200, 200)), "anomalies": anomalies[0], "after the fit": anomalies[1]})
            for gap in (1, 5, 20):
                hole = (np.arange(len(rest)) % (gap + 40) >= 40) & (np.arange(len(rest)) < len(rest) - 1)
                holes = rest.with_columns([pl.when(pl.Series(hole)).then(None).otherwise(pl.col(c)).alias(c) for c in numbers])
                holes.write_parquet(at["holes"])
                run("impute", at["holes"], at["out"], "-m", at["m"], "--intervals", "0.9")
                run("transform", at["holes"], at["scored"], "-m", at["m"], "--expected", "0.9")
                filled, scored = pl.read_parquet(at["out"]), pl.read_parquet(at["scored"])
                straight = holes.select(pl.col(c).interpolate() for c in numbers)
                for c in numbers:
                    x, known = rest[c].to_numpy(), hole & ~straight[c].is_null().to_numpy()
                    error = lambda y: np.abs(y.to_numpy()[known] - x[known]).mean()
                    base = error(straight[c])
                    if base > 0 and f"{c}_low" in filled.columns:
                        within = (filled[f"{c}_low"].to_numpy() <= x) & (x <= filled[f"{c}_high"].to_numpy())
                        gaps.append({"series": name, "gap": gap, "filled": error(filled[c]) / base, "by rows before": error(scored[f"{c}_expected"]) / base, "within 90 %": within[known].mean()})
    with pl.Config(tbl_formatting="MARKDOWN", tbl_hide_column_data_types=True, fmt_str_lengths=60, tbl_rows=60, tbl_cols=12):
        kinds = ["spread", "KS", "lag 1", "lag 24", "step", "anomalies", "after the fit"]
        print(pl.DataFrame(sequences).group_by("series", maintain_order=True).agg(*[pl.col(k).median().round(3) for k in kinds], pl.len().alias("numbers")))
        kinds = [pl.col("filled").median().round(2), pl.col("filled").mean().round(2).alias("mean"), pl.col("by rows before").median().round(2), pl.col("within 90 %").mean().round(3), pl.len().alias("numbers")]
        print(pl.DataFrame(gaps).group_by("series", "gap", maintain_order=True).agg(kinds))


if __name__ == "__main__":
    main()
