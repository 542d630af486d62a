"""What given columns are good for: latents of flights with times given or learned, and devices that fall below their own level.

    python benches/given.py target/release/vaepipe flights.parquet

Needs numpy, pyarrow and scikit-learn. Prints tables in Markdown.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

PROGRAM, FLIGHTS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SEEDS = range(3)
DAY = 86_400
FIRST = 1_704_067_200


def run(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments), "--force", "--quiet"], check=True)


def latents():
    """Ten nearest neighbours in the latents guess the carrier and the origin of flights, of which neither the carrier nor the
    aircraft is learned."""
    print("| times are | seed | carrier | origin |\n|---|---|---|---|")
    for name, flags in [("learned", ["--columns", "*,time_hour,year,month,day"]), ("given", [])]:
        for seed in SEEDS:
            run("fit", FLIGHTS, "-m", "m.safetensors", "--seed", seed, "--exclude", "carrier,tailnum,flight", *flags)
            run("transform", FLIGHTS, "out.parquet", "-m", "m.safetensors")
            rows = pq.read_table("out.parquet")
            some = np.random.default_rng(0).permutation(rows.num_rows)[:20_000]
            z = [rows[column].to_numpy()[some] for column in rows.column_names if column.startswith("z_")]
            z = StandardScaler().fit_transform(np.stack(z, axis=1))
            shares = []
            for label in ["carrier", "origin"]:
                words = np.asarray(rows[label].cast(pa.string()).to_pylist())[some]
                near = KNeighborsClassifier(10).fit(z[:14_000], words[:14_000])
                shares.append(near.score(z[14_000:], words[14_000:]))
            print(f"| {name} | {seed} | {shares[0]:.3f} | {shares[1]:.3f} |", flush=True)


def devices(count, rows, preset):
    """Of devices whose level is anything from 10 to 10,000, with a profile of the day and a noise of their own, a tenth of fresh
    rows is at a fifth of its normal."""
    random = np.random.default_rng(3)
    level, noise = 10 ** (1 + 3 * random.random((2, count))), 0.05 + 0.1 * random.random((2, count))

    def table(which, device, days, fallen, path):
        hours = random.random(len(device)) * 24
        profile = 1 + 0.6 * np.sin((hours - 9) / 24 * 2 * np.pi)
        value = level[which][device] * profile * np.exp(noise[which][device] * random.normal(size=len(device)))
        seconds = FIRST + random.integers(*days, len(device)) * DAY + (hours * 3600).astype(np.int64)
        pq.write_table(pa.table({
            "device": [f"{which}/{number}" for number in device],
            "ts": pa.array(seconds, pa.timestamp("s")),
            "value": np.where(fallen, 0.2, 1) * value,
            "errors": random.poisson(2 + 3 * profile).astype(float),
        }), path)

    table(0, np.tile(np.arange(count), rows), (0, 28), False, "fit.parquet")
    fallen = random.random(20_000) < 0.1
    table(0, random.integers(0, count, 20_000), (28, 35), fallen, "test.parquet")
    table(1, random.integers(0, min(count, 200), 5000), (28, 35), False, "unseen.parquet")

    def p_values(name):
        run("transform", f"{name}.parquet", "out.parquet", "-m", "m.safetensors")
        return pq.read_table("out.parquet")["p_value"].to_numpy()

    run("fit", "fit.parquet", "-m", "m.safetensors", "--preset", preset, "--given", "device,ts")
    given, unseen, size = p_values("test"), p_values("unseen"), os.path.getsize("m.safetensors")
    run("fit", "fit.parquet", "-m", "m.safetensors", "--preset", preset, "--exclude", "device")
    pooled = p_values("test")
    shares = [given[fallen] <= 0.03, pooled[fallen] <= 0.03, given[~fallen] <= 0.01, unseen <= 0.01]
    shares = " | ".join(f"{share.mean():.3f}" for share in shares)
    print(f"| {count:,} x {rows} | {preset} | {shares} | {size / 1e6:.1f} MB |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        latents()
        print("\n| devices x rows | preset | fallen, p <= 0.03 | the same pooled | others, p <= 0.01 | unseen, p <= 0.01 | model |")
        print("|---|---|---|---|---|---|---|")
        for count, rows in [(90, 720), (20_000, 30)]:
            for preset in ["reduce", "anomaly"]:
                devices(count, rows, preset)
