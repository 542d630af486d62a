#!/usr/bin/env python3
"""How well does `--preset anomaly` find anomalies? Fits every file without its labels, and ranks rows it has not seen.

    anomaly.py VAEPIPE FOLDER [--seeds N] [--flags FLAGS] [--baselines FILE.csv] [--mixed] [--brief]

Needs: pip install pandas pyarrow scikit-learn. FOLDER holds Parquet files of numbers with a column `label` (1 is an
anomaly; never learned) and a column `split`: rows of `train` are fitted, with their anomalies, and rows of `test` ranked.
A Boolean column
`mix`, where there is one, marks rows of the test that join the training with --mixed, and leave the test then.
FLAGS are for `vaepipe fit`, after those of the preset. FILE.csv has columns set, detector, runs, auroc and ap: what other
detectors measured on the same rows.

Prints a Markdown table: of each set AUROC and average precision, the mean over the seeds and, of vaepipe, their spread
(the largest minus the smallest), beside scikit-learn's isolation forest with the same seeds; then the means of all sets and of
every other one, and on how many the forest has a lower AUROC. --brief prints only these.
"""
import argparse, subprocess, tempfile
from pathlib import Path

import numpy as np, pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score


def vaepipe(program, folder, train, test, seed, flags):
    run = lambda *words: subprocess.run([program, *words, "-m", "model.safetensors", "--force", "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    train.to_parquet(folder / "train.parquet"), test.to_parquet(folder / "test.parquet")
    run("fit", "train.parquet", "--preset", "anomaly", "--seed", str(seed), *flags)
    run("transform", "test.parquet", "scored.parquet")
    return pd.read_parquet(folder / "scored.parquet", columns=["anomaly_score"])["anomaly_score"].to_numpy()


def forest(train, test, seed):
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path), parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3), parser.add_argument("--flags", default="")
    parser.add_argument("--baselines", type=Path), parser.add_argument("--mixed", action="store_true"), parser.add_argument("--brief", action="store_true")
    arguments = parser.parse_args()
    program, seeds, flags = arguments.program.resolve(), range(arguments.seeds), arguments.flags.split()
    others = pd.DataFrame(columns=["set", "detector", "auroc", "ap"])
    if arguments.baselines:
        others = pd.read_csv(arguments.baselines)
    detectors = [name for name in ("PyOD-VAE", "KNN") if name in set(others["detector"])]
    say = (lambda *_, **__: None) if arguments.brief else print
    say("| set | rows x columns | vaepipe AUROC | AP | isolation forest AUROC | AP |" + "".join(f" {name} AUROC | AP |" for name in detectors))
    say("|---" * (6 + 2 * len(detectors)) + "|")
    means, by_seed = [], []
    for file in sorted(arguments.folder.resolve().glob("*.parquet")):
        rows = pd.read_parquet(file)
        mix = rows["mix"] if arguments.mixed else np.zeros(len(rows), bool)
        columns = rows.drop(columns=["label", "split", "mix"], errors="ignore")
        train, test = columns[(rows["split"] == "train") | mix], columns[(rows["split"] == "test") & ~mix]
        labels = rows.loc[test.index, "label"].to_numpy()
        measure = lambda score: (roc_auc_score(labels, score), average_precision_score(labels, score))
        with tempfile.TemporaryDirectory() as folder:
            ours = np.array([measure(vaepipe(program, Path(folder), train, test, seed, flags)) for seed in seeds])
        forests = np.array([measure(forest(train.to_numpy(), test.to_numpy(), seed)) for seed in seeds])
        of = lambda name: others.loc[(others["set"] == file.stem) & (others["detector"] == name), ["auroc", "ap"]].mean().tolist()
        theirs = [*forests.mean(0), *(value for name in detectors for value in of(name))]
        means.append([*ours.mean(0), *theirs]), by_seed.append(ours)
        cells = [f"{mean:.3f} ({spread:.3f})" for mean, spread in zip(ours.mean(0), np.ptp(ours, axis=0))]
        say(f"| {file.stem} | {len(train)} x {train.shape[1]} | " + " | ".join(cells + [f"{value:.3f}" for value in theirs]) + " |", flush=True)
    for name, part in (("mean", slice(None)), ("every other", slice(0, None, 2)), ("the others", slice(1, None, 2))):
        spread, of_part = np.ptp(np.mean(by_seed[part], axis=0), axis=0), np.array(means[part])
        mean, above = of_part.mean(0), np.mean(of_part[:, 0] > of_part[:, 2])
        cells = [f"{mean:.3f} ({of_seeds:.3f})" for mean, of_seeds in zip(mean[:2], spread)] + [f"{value:.3f}" for value in mean[2:]]
        print(f"| {name} | above the forest on {above:.0%} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
