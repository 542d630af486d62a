#!/usr/bin/env python3
"""How well does a map keep neighbours? Fits tables with and without `--preset map`, beside principal components and UMAP.

    map.py VAEPIPE [--seeds N] [--umap] [--drawn] [--widths 2,16] FILE.parquet:LABEL[,LABEL...][:EXCLUDED,...]...

Needs: pip install pyarrow scikit-learn, and umap-learn for --umap. Labels, excluded columns and `split` are not learned. A
column `split` with the values train and test says which rows are not seen in the fit; else every fifth row is not.

Prints a Markdown table: of rows not seen, 5-nearest-neighbour accuracy of each label among the fit's rows, trustworthiness at 5
neighbours (Venna & Kaski 2001), the loss of the ELBO in nats, and the seconds of the fit; means over the seeds. PCA, UMAP and
trustworthiness compare standardised numbers (the pixels of images as they are) and a 0 or 1 for each word. With --drawn, also
how well gradient-boosted trees tell rows that `generate` draws from the rows not seen: the area under their ROC curve in three
folds, 0.5 if they cannot (of wide rows, in 50 principal components).

With --time N it times instead: N times in turn, the fit of the default, of the map and, with --umap, of UMAP to all rows of each
file, and the transform of these rows. Of UMAP it transforms 1,000 rows.
"""
import argparse, statistics, subprocess, tempfile, time
from pathlib import Path

import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.manifold import trustworthiness
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

MOST_JUDGED = 3000
MOST_TOLD_APART = 1500


def encoded(table):
    """Rows as numbers: what other tools are given."""
    parts = []
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_temporal(column.type):
            column = column.cast(pa.int64())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            words = np.array([word or "" for word in column.to_pylist()])
            known = sorted(set(words.tolist()))
            if len(known) <= 64:
                parts.append((words[:, None] == np.array(known)[None]).astype(float))
            continue
        values = np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
        if np.nanstd(values) > 0:
            parts.append(np.nan_to_num((values - np.nanmean(values)) / (1 if is_image(table) else np.nanstd(values)))[:, None])
    return np.concatenate(parts, 1)


def is_image(table):
    return all(pa.types.is_uint8(field.type) for field in table.schema)


def judge(z, x, fresh, labels):
    """Accuracy of each label, and trustworthiness."""
    places = np.flatnonzero(fresh)[:MOST_JUDGED]
    accuracy = [KNeighborsClassifier(5).fit(z[~fresh], y[~fresh]).score(z[fresh], y[fresh]) for y in labels]
    return [*accuracy, trustworthiness(x[places], z[places], n_neighbors=5)]


def told_apart(learned, fresh, drawn):
    """How well a classifier tells drawn rows from as many that the fit has not seen."""
    columns = [name for name in learned.column_names if name in drawn.column_names]
    real = learned.select(columns)
    x = encoded(pa.concat_tables([real, drawn.select(columns).cast(real.schema)]).combine_chunks())
    real, drawn = x[: len(fresh)][fresh][:MOST_TOLD_APART], x[len(fresh) :]
    count = min(len(real), len(drawn))
    x, y = np.concatenate([real[:count], drawn[:count]]), np.repeat([0, 1], count)
    if x.shape[1] > 50:
        x = PCA(min(50, len(real)), random_state=0).fit(real).transform(x)
    folds, trees = StratifiedKFold(3, shuffle=True, random_state=0), HistGradientBoostingClassifier(max_iter=60, early_stopping=False)
    return roc_auc_score(y, cross_val_predict(trees, x, y, cv=folds, method="predict_proba")[:, 1])


def vaepipe(program, folder, flags, left_out, x, fresh, labels, drawn_of):
    run = lambda words: subprocess.run([program, *words.split()], cwd=folder, check=True, capture_output=True)
    start = time.time()
    run(f"fit train.parquet -m model.safetensors --force -q --exclude {left_out} {flags}")
    seconds = time.time() - start
    run("transform rows.parquet scored.parquet -m model.safetensors --force -q --score elbo")
    scored = pq.read_table(folder / "scored.parquet")
    z = np.column_stack([scored[name] for name in scored.column_names if name.startswith("z_")])
    loss = np.sort(scored["elbo"].to_numpy()[fresh])
    apart = None
    if drawn_of is not None:
        run(f"generate -n {MOST_TOLD_APART} drawn.parquet -m model.safetensors --force -q")
        apart = told_apart(drawn_of, fresh, pq.read_table(folder / "drawn.parquet"))
    return [*judge(z, x, fresh, labels), loss[: int(np.ceil(0.99 * len(loss)))].mean(), apart, seconds]


def other(make, x, fresh, labels):
    start = time.time()
    fitted = make().fit(x[~fresh])
    seconds = time.time() - start
    z = np.zeros((len(x), fitted.transform(x[:2]).shape[1]))
    z[~fresh] = getattr(fitted, "embedding_", None) if hasattr(fitted, "embedding_") else fitted.transform(x[~fresh])
    z[fresh] = fitted.transform(x[fresh])
    return [*judge(z, x, fresh, labels), None, None, seconds]


def timed(program, folder, table, left_out, runs, umap):
    """Prints the seconds of fits and transforms, one after the other, and how many times as long as the default each takes."""
    learned = table.drop_columns(left_out)
    pq.write_table(table, folder / "rows.parquet")

    def ours(flags):
        run = lambda words: subprocess.run([program, *words.split()], cwd=folder, check=True, capture_output=True)
        start = time.time()
        run(f"fit rows.parquet -m model.safetensors --force -q --exclude {','.join(left_out)} {flags}")
        fitted = time.time()
        run("transform rows.parquet scored.parquet -m model.safetensors --force -q")
        return fitted - start, time.time() - fitted

    def of_umap():
        from umap import UMAP

        x, start = encoded(learned), time.time()
        model = UMAP(random_state=0).fit(x)
        fitted = time.time()
        model.transform(x[:1000])
        return fitted - start, time.time() - fitted

    models = {"default": lambda: ours(""), "map": lambda: ours("--preset map"), **({"UMAP": of_umap} if umap else {})}
    for run in range(runs):
        seconds = {name: measure() for name, measure in models.items()}
        for name, (fit, transform) in seconds.items():
            times = fit / seconds["default"][0]
            size = f"{len(table):,} x {learned.num_columns}"
            print(f"| {size} | {run + 1} | {name} | {fit:.1f} | {transform:.2f} | {times:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--widths", default="2,16")
    parser.add_argument("--flags", default="", help="further flags of the maps")
    parser.add_argument("--only", default="")
    parser.add_argument("--umap", action="store_true")
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--time", type=int, help="times to time the fits")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    if arguments.time:
        print("| rows x columns | run | model | fit, s | transform, s | fit, times the default |\n|---|---|---|---|---|---|")
    else:
        print("| rows | latents | model | 5-NN accuracy | trustworthiness | loss | drawn | fit, s |\n|---|---|---|---|---|---|---|---|")
    for file in arguments.files:
        path, names, excluded = (file.split(":") + [""])[:3]
        names, excluded = names.split(","), [name for name in excluded.split(",") if name]
        table = pq.read_table(path)
        table = table.filter(np.array([all(table[name][row].is_valid for name in names) for row in range(len(table))]))
        split = "split" in table.column_names
        fresh = np.array(table["split"].to_pylist()) == "test" if split else np.arange(len(table)) % 5 == 0
        labels = [np.array([str(value) for value in table[name].to_pylist()]) for name in names]
        left_out = [*names, *excluded, *(["split"] if split else [])]
        if arguments.time:
            with tempfile.TemporaryDirectory() as folder:
                timed(program, Path(folder), table, left_out, arguments.time, arguments.umap)
            continue
        learned = table.drop_columns(left_out)
        x = encoded(learned)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            pq.write_table(table, folder / "rows.parquet")
            pq.write_table(table.filter(~fresh), folder / "train.parquet")
            for width in map(int, arguments.widths.split(",")):
                ours = lambda flags: lambda seed: vaepipe(
                    program,
                    folder,
                    f"--latent-dim {width} --seed {seed} {flags}",
                    ",".join(left_out),
                    x,
                    fresh,
                    labels,
                    learned if arguments.drawn else None,
                )
                models = {
                    "PCA": lambda seed: other(lambda: PCA(min(width, x.shape[1])), x, fresh, labels),
                    "default": ours(""),
                    "map": ours(f"--preset map {arguments.flags}"),
                }
                if arguments.umap:
                    from umap import UMAP

                    models["UMAP"] = lambda seed: other(lambda: UMAP(n_components=width, random_state=seed), x, fresh, labels)
                for name, measure in models.items():
                    if arguments.only and name not in arguments.only.split(","):
                        continue
                    runs = [measure(seed) for seed in range(1 if name == "PCA" else arguments.seeds)]
                    means = [None if run[0] is None else statistics.mean(run) for run in zip(*runs)]
                    accuracy = ", ".join(f"{mean:.3f}" for mean in means[: len(names)])
                    trust, loss, apart, seconds = means[len(names) :]
                    loss, apart = [("" if value is None else f"{value:.2f}") for value in (loss, apart)]
                    print(
                        f"| {Path(path).stem} ({', '.join(names)}) | {width} | {name} | {accuracy} | {trust:.3f} | {loss} "
                        f"| {apart} | {seconds:.1f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
