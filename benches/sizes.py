#!/usr/bin/env python3
"""How near the best are the sizes a fit chooses? Fits files with them, and with twice and half of each.

    sizes.py VAEPIPE [--seeds N] FILE.parquet...

Needs: pip install pyarrow scikit-learn. A column `split` with the values train and test says which rows are fresh,
else every fifth row is; a column `label` is not learned, and if it has classes it is what the latents must keep apart.

Prints a Markdown table a file, and one of all. Each cell is a mean over seeds of a difference to the chosen size:
nats a feature of the fresh rows' anomaly_score (reconstruction NLL plus KL; lower is better; the 5 % oddest rows of
either are left out of the mean), and points of 5-nearest-neighbour accuracy of the fresh rows' labels (higher is better).
"""
import argparse, json, statistics, struct, subprocess, sys, tempfile
from pathlib import Path

import numpy as np, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
from sklearn.neighbors import KNeighborsClassifier


def metadata(model):
    data = Path(model).read_bytes()
    return json.loads(json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]["vaepipe"])


def variants(chosen):
    network, training = chosen["network"], chosen["training"]
    words = lambda widths: ",".join(str(max(1, int(width))) for width in widths)
    yield "chosen", ""
    for name, factor in (("half", 0.5), ("twice", 2)):
        yield f"{name} hidden", f"--hidden {words(width * factor for width in network['hidden'])}"
        yield f"{name} latent", f"--latent-dim {max(1, int(network['latent_dim'] * factor))}"
        yield f"{name} epochs", f"--epochs {max(1, int(training['epochs'] * factor))}"
        yield f"{name} batch", f"--batch-size {max(1, int(training['batch_size'] * factor))}"
        yield f"{name} lr", f"--lr {training['lr'] * factor}"
    yield "auto latent", "--latent-dim auto"


def measure(program, folder, rows, fresh, labels, flags):
    run = lambda words: subprocess.run([program, *words.split()], cwd=folder, check=True, capture_output=True)
    run(f"fit train.parquet -m model.safetensors --force -q {flags}")
    run("transform rows.parquet scored.parquet -m model.safetensors --force -q")
    scored = pq.read_table(folder / "scored.parquet")
    chosen = metadata(folder / "model.safetensors")
    score = np.sort(scored["anomaly_score"].to_numpy()[fresh])
    nats = score[: int(np.ceil(0.95 * len(score)))].mean() / len(chosen["features"])
    accuracy = None
    if labels is not None:
        z = np.column_stack([scored[name] for name in scored.column_names if name.startswith("z_")])
        accuracy = KNeighborsClassifier(5).fit(z[~fresh], labels[~fresh]).score(z[fresh], labels[fresh])
    return chosen, nats, accuracy


def table(title, lines):
    print(f"\n{title}\n\n| sizes | nats a feature | accuracy |\n|---|---|---|")
    for name, nats, accuracy in lines:
        print(f"| {name} | {nats:+.3f} | {'' if accuracy is None else f'{accuracy:+.1f}'} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program"), parser.add_argument("files", nargs="+"), parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    program, every = str(Path(arguments.program).resolve()), {}
    for file in arguments.files:
        rows = pq.read_table(file)
        names = [name for name in ("label", "split") if name in rows.column_names]
        fresh = np.arange(len(rows)) % 5 == 4
        if "split" in names:
            fresh = np.array(pc.not_equal(rows["split"].cast(pa.string()), "train"))
        labels = None
        if "label" in names:
            labels = np.array(rows["label"].cast(pa.string()))
            labels = labels if 3 <= len(set(labels)) <= 50 else None  # two classes: an anomaly label, or none to keep apart
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            pq.write_table(rows, folder / "rows.parquet"), pq.write_table(rows.filter(pa.array(~fresh)), folder / "train.parquet")
            for seed in range(arguments.seeds):
                common = f"--seed {seed} --threads 1" + (f" --exclude {','.join(names)}" if names else "")
                chosen = measure(program, folder, rows, fresh, labels, common)[0]
                for name, flags in variants(chosen):
                    found.setdefault(name, []).append(measure(program, folder, rows, fresh, labels, f"{common} {flags}")[1:])
        lines, base = [], found["chosen"]
        for name, runs in found.items():
            nats = statistics.mean(run[0] - at[0] for run, at in zip(runs, base))
            accuracy = None if labels is None else 100 * statistics.mean(run[1] - at[1] for run, at in zip(runs, base))
            lines.append((name, nats, accuracy)), every.setdefault(name, []).append((nats, accuracy))
        network, training = chosen["network"], chosen["training"]
        spread = max(run[0] for run in base) - min(run[0] for run in base)
        table(
            f"**{Path(file).stem}**: {(~fresh).sum()} rows to learn from, {len(chosen['features'])} features; hidden "
            f"{network['hidden']}, latent {network['latent_dim']}, {training['epochs']} epochs, batch "
            f"{training['batch_size']}, lr {training['lr']}; {statistics.mean(run[0] for run in base):.3f} nats a feature "
            f"(spread of seeds {spread:.3f})"
            + ("" if labels is None else f", accuracy {100 * statistics.mean(run[1] for run in base):.1f}"),
            lines,
        )
    mean = lambda values: statistics.mean(values) if values else None
    table("**all files**", [(n, mean([v[0] for v in vs]), mean([v[1] for v in vs if v[1] is not None])) for n, vs in every.items()])


if __name__ == "__main__":
    sys.exit(main())
