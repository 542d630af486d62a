#!/usr/bin/env python3
"""Checks what a fit measures of its model against numpy: the encoder and decoder computed from the file's weights, which
rows are held out and their noise from the generator's definition, principal components from a full eigendecomposition.

    latents.py VAEPIPE DIGITS FOLDER

Needs: pip install numpy pandas pyarrow
"""
import json, struct, subprocess, sys
from pathlib import Path

import numpy as np, pandas as pd

program, digits, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
U = np.uint64
np.seterr(over="ignore")
GOLDEN = U(0x9E3779B97F4A7C15)


def run(*words):
    subprocess.run([str(program), *map(str, words), "--quiet"], check=True, cwd=folder)


def mix(x):
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


def stream(seed, name):
    key = mix(U(seed) + GOLDEN)
    for byte in name.encode():
        key = mix(key ^ U(byte)) + GOLDEN
    return key


def child(key, n):
    return mix(mix(key) + np.asarray(n, U) * GOLDEN)


def normals(keys, count):
    bits = mix(keys[:, None] + np.arange((count + 1) // 2, dtype=U)[None] * GOLDEN)
    u = ((bits >> U(32)).astype(np.float32) + np.float32(1)) / np.float32(2**32)
    angle = np.float32(2 * np.pi) * ((bits & U(0xFFFFFFFF)).astype(np.float32) / np.float32(2**32))
    radius = np.sqrt(-2 * np.log(np.minimum(u, 1)))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(len(keys), -1)[:, :count]


def load(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    metadata = json.loads(header.pop("__metadata__")["vaepipe"])
    at = lambda it: data[8 + size + it["data_offsets"][0] : 8 + size + it["data_offsets"][1]]
    return metadata, {name: np.frombuffer(at(it), "<f4").reshape(it["shape"]).astype(float) for name, it in header.items()}


run("fit", digits, "-m", "latents.safetensors", "--exclude", "label,split", "--force", "--epochs", 40, "--seed", 3)
metadata, weights = load(folder / "latents.safetensors")
table = pd.read_parquet(digits)
scalings = {feature["column"]: feature["scaling"] for feature in metadata["features"]}
values = table[list(scalings)].to_numpy(float)
x = (values - [it["center"] for it in scalings.values()]) / [it["scale"] for it in scalings.values()]
layers = len(metadata["network"]["hidden"])
silu = lambda h: h / (1 + np.exp(-h))
linear = lambda name, h: h @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def encode(x):
    for n in range(layers):
        x = silu(linear(f"encoder.{n}", x))
    return linear("posterior.mean", x), np.clip(linear("posterior.log_variance", x), -8, 4)


def decode(z):
    for n in range(layers):
        z = silu(linear(f"decoder.{n}", z))
    return linear("output", z)


# The rows with the lowest hashes are held out; the lower half of these are the validation rows.
provenance, seed = metadata["provenance"], metadata["training"]["seed"]
order = np.argsort(mix(stream(seed, "hold-out") + np.arange(len(x), dtype=U) * GOLDEN))
select, calibrate = provenance["select_rows"], provenance["calibrate_rows"]
held_out, train = np.sort(order[select : select + calibrate]), np.sort(order[select + calibrate :])
assert len(train) == provenance["train_rows"]

health = metadata["health"]
mean, log_variance = encode(x[held_out])
kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
noise = normals(child(stream(seed, "validation"), held_out), mean.shape[1])
s = np.clip(weights["likelihood.gaussian.log_variance"], metadata["network"]["noise_floor"], 6)
at_draw = decode(mean + noise * np.exp(log_variance / 2))
log_likelihood = -0.5 * (np.log(2 * np.pi) + s + (x[held_out] - at_draw) ** 2 / np.exp(s)).sum(1).mean()
off = (x[held_out] - decode(mean)) ** 2
deviation = ((x[held_out] - x[held_out].mean(0)) ** 2).sum(0)
r2 = 1 - off.sum(0) / np.maximum(deviation, 1e-12)
centre = x[train].mean(0)
_, axes = np.linalg.eigh(np.cov(x[train].T))
axes = axes[:, -mean.shape[1] :]
rebuilt = centre + (x[held_out] - centre) @ axes @ axes.T


def close(found, expected, relative=1e-3, about=1e-4):
    assert np.allclose(found, expected, rtol=relative, atol=about), (found, expected)


close(health["rows"], len(held_out))
close(health["log_likelihood"], log_likelihood)
close(health["kl"], kl.sum(1).mean())
close([it["kl"] for it in health["dimensions"]], kl.mean(0))
close([it["variance"] for it in health["dimensions"]], mean.var(0))
close(health["error"], off.mean())
close(health["principal_error"], ((x[held_out] - rebuilt) ** 2).mean())
constant = x[held_out].std(0) < 1e-9
assert [it["value"] is None for it in health["columns"]] == constant.tolist()
close([it["value"] for it, constant in zip(health["columns"], constant) if not constant], r2[~constant], 1e-3, 1e-3)

# What dimensions mean: pandas' Spearman correlations, and differences of the decoder by hand, over all training rows.
latents = json.loads(subprocess.run([program, "inspect", "latents.safetensors", "--latents", "--summary", "json"],
                                    check=True, cwd=folder, capture_output=True).stdout)["latents"]
mean, log_variance = encode(x[train])
columns = list(scalings)
ranks = lambda a: pd.DataFrame(a).rank().to_numpy()
correlations = np.corrcoef(ranks(mean).T, ranks(values[train]).T)[: mean.shape[1], mean.shape[1] :]
places = min(len(mean), max(16, min(1024, 4096 // (2 * mean.shape[1]))))  # 4096 are decoded in all
some = mean[np.arange(places) * len(mean) // places]
for n, latent in enumerate(latents):
    found = {it["column"]: it for it in latent["influences"]}
    step = np.eye(mean.shape[1])[n] / 2
    effect = (decode(some + step) - decode(some - step)).mean(0) * [it["scale"] for it in scalings.values()]
    close([found[column]["effect"] for column in columns], effect, 1e-3, 1e-3)
    close([found[column]["rank_correlation"] for column in columns], np.nan_to_num(correlations[n]), 1e-3, 1e-3)
    deviation = values[train].std(0)
    relative = np.divide(effect, deviation, out=np.zeros_like(effect), where=deviation > 0)
    close([found[column]["relative_effect"] for column in columns], relative, 1e-3, 1e-3)
    sizes = [abs(it["relative_effect"]) for it in latent["influences"]]
    assert sizes == sorted(sizes, reverse=True)

# Rebuilt rows are the decoder's answers in the columns' units, within the range seen, whichever way latents come.
run("transform", digits, "scored-latents.parquet", "-m", "latents.safetensors", "--drop-features", "--force")
for source, flags in [(digits, []), ("scored-latents.parquet", ["--latents"])]:
    run("reconstruct", source, "rebuilt.parquet", "-m", "latents.safetensors", "--force", *flags)
    rebuilt = pd.read_parquet(folder / "rebuilt.parquet")
    scale = [it["scale"] for it in scalings.values()]
    expected = decode(encode(x)[0]) * scale + [it["center"] for it in scalings.values()]
    expected = np.clip(expected, [it["min"] for it in scalings.values()], [it["max"] for it in scalings.values()])
    # Whole numbers are rounded.
    assert np.abs(rebuilt[columns].to_numpy(float) - expected).max() <= 0.5001
    assert (rebuilt["label"] == table["label"]).all()

# Drawn rows have the means, deviations and correlations of the data.
run("generate", "-n", 20000, "drawn.parquet", "-m", "latents.safetensors", "--force")
drawn = pd.read_parquet(folder / "drawn.parquet")
assert list(drawn) == [column for column in table if column in drawn] and len(drawn) == 20000
assert (drawn.dtypes == table[list(drawn)].dtypes).all()
shift = (drawn[columns].mean() - table[columns].mean()).abs() / table[columns].std()
assert shift.max() < 0.1, shift.max()
lively = table[columns].std() > 1
names = [column for column in columns if lively[column]]
difference = (drawn[names].corr() - table[names].corr()).abs().to_numpy()
assert difference.mean() < 0.06, difference.mean()
print("latents: ok")
