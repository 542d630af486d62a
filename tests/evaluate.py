#!/usr/bin/env python3
"""Checks `vaepipe evaluate` against scikit-learn on real files, of latents as well, and of rows in order against TSB-AD.

    evaluate.py VAEPIPE REPOSITORY FOLDER

Needs: pip install polars scikit-learn jsonschema statsmodels
       pip install --no-deps TSB-AD
"""
import json, subprocess, sys, warnings
from pathlib import Path

import jsonschema, numpy as np, polars as pl
from sklearn.manifold import trustworthiness
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve, precision_score
from sklearn.metrics import recall_score, roc_auc_score, silhouette_score
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from TSB_AD.evaluation.metrics import get_metrics
from TSB_AD.utils.slidingWindows import find_length_rank

warnings.filterwarnings("ignore")  # of TSB-AD

vaepipe, repository, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
schema = json.loads((repository / "schemas/evaluate.schema.json").read_text())


def run(*arguments):
    return subprocess.run([vaepipe, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def close(found, expected, what):
    assert abs(found - expected) < 1e-9, (what, found, expected)


digits = pl.read_parquet(repository / "sample_data/digits.parquet").with_columns(pl.col("split").cast(pl.String))
flights = pl.read_parquet(repository / "sample_data/flights.parquet")
# Zeros are the anomalies; and flights that came more than two hours late, told by what is known before.
cases = {
    "zeros": digits.with_columns((pl.col("label") == 0).cast(pl.Int8).alias("label")),
    "late": flights.with_columns((pl.col("arr_delay") > 120).alias("label")).drop("arr_delay", "tailnum"),
}
for name, table in cases.items():
    data, model, scored = folder / f"{name}.parquet", folder / f"{name}.safetensors", folder / f"{name}_scored.parquet"
    table.write_parquet(data)
    run("fit", data, "-m", model, "--exclude", "label", "--preset", "anomaly", "--epochs", 3, "-q", "--force")
    run("transform", data, scored, "-m", model, "--score", "all", "--contamination", 0.05, "-q", "--force")
    rows = pl.read_parquet(scored).with_columns(pl.col("anomaly_score").round(0).alias("tied"))
    rows.write_parquet(scored)
    told = json.loads(run("evaluate", scored, "--label", "label", "--score", "anomaly_score,tied,p_value", "--summary", "json"))
    jsonschema.validate(told, schema)
    rows = rows.filter(pl.col("label").is_not_null())
    y = rows["label"].to_numpy().astype(int)
    assert (told["rows"], told["anomalies"]) == (len(y), y.sum()), told
    # polars wrote the scores again, without the list of learned columns: all that no transform writes count.
    plain = [column for column in table.columns if column != "label"]
    numbers = [column for column in plain if rows[column].dtype.is_numeric() or rows[column].dtype == pl.Boolean]
    every = pl.read_parquet(data).select(pl.col(numbers).cast(pl.Float64))
    norm = np.nansum(StandardScaler().fit_transform(every.to_numpy()) ** 2, axis=1)
    norm = norm[pl.read_parquet(data)["label"].is_not_null().to_numpy()]
    assert len(told["scores"]) == 13, [score["score"] for score in told["scores"]]
    for score in told["scores"]:
        what, is_norm = (name, score["score"]), score["score"] == "squared_norm"
        s = norm if is_norm else rows[score["score"]].to_numpy().astype(float)
        close(score["auroc"], roc_auc_score(y, s), what)
        close(score["average_precision"], average_precision_score(y, s), what)
        precision, recall, thresholds = precision_recall_curve(y, s)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        close(score["best"]["f1"], f1.max(), what)
        close(score["best"]["precision"], precision_score(y, s >= score["best"]["threshold"] - is_norm * 1e-9), what)
    main, n = rows["anomaly_score"].to_numpy(), int(y.sum())
    top = np.zeros(len(y), int)
    top[np.argsort(-main, kind="stable")[:n]] = 1
    if len(np.unique(main)) == len(main):
        close(told["scores"][0]["top"]["precision"], precision_score(y, top), name)
        close(told["scores"][0]["top"]["recall"], recall_score(y, top), name)
    found, flagged = told["at_threshold"], rows["is_anomaly"].to_numpy().astype(int)
    counts = [found[key] for key in ("true_negatives", "false_positives", "false_negatives", "true_positives")]
    assert counts == confusion_matrix(y, flagged).ravel().tolist(), (counts, name)
    close(found["precision"], precision_score(y, flagged), name), close(found["recall"], recall_score(y, flagged), name)

# Rows in order: random series with events, some at an end or of one row, scores with ties; the mean over those with events.
draws, series, means = np.random.default_rng(5), [], []
for number in range(12):
    rows, period = int(draws.integers(50, 900)), int(draws.integers(5, 60))
    y = np.zeros(rows, int)
    for start in draws.integers(-3, rows, draws.integers(1, 6) if number else 0):
        y[max(start, 0) : start + draws.integers(1, 30)] = 1
    value = np.sin(2 * np.pi * np.arange(rows) / period) + 0.1 * draws.normal(size=rows)
    score = np.round(draws.normal(size=rows) + np.convolve(y, np.ones(9) / 9, "same"), int(draws.integers(0, 4)))
    at = draws.choice(10**6, rows, replace=False)
    at.sort()
    series.append(pl.DataFrame({"number": number, "at": at, "value": value, "label": y, "anomaly_score": score}))
    if y.any():
        windows = find_length_rank(value.reshape(-1, 1), rank=1), 20
        means.append([get_metrics(score, y, slidingWindow=window)[key] for window in windows for key in ("VUS-PR", "VUS-ROC")])
pl.concat(series).sample(fraction=1, shuffle=True, seed=3).write_parquet(folder / "series.parquet")
in_order = ["evaluate", folder / "series.parquet", "--label", "label", "--order-by", "at", "--by", "number", "--summary", "json"]
told = [json.loads(run(*in_order, *window)) for window in ([], ["--window", 20])]
for each in told:
    jsonschema.validate(each, schema)
    assert (each["series"]["series"], each["series"]["with_events"]) == (12, 11), each["series"]
found = [each["scores"][0]["vus"][key] for each in told for key in ("pr", "roc")]
for found, expected in zip(found, np.mean(means, axis=0)):
    close(found, expected, "series")

# Latents: neighbours among the columns on the model's scale, with missing values and words, and among the latents.
def compare(name, data, model, x, label):
    told = json.loads(run("evaluate", data, "--latents", "-m", model, "--label", label, "--summary", "json"))
    jsonschema.validate(told, schema)
    rows, z = pl.read_parquet(data), pl.read_parquet(folder / f"{name}_latents.parquet").select("^z_[0-9]+$").to_numpy()
    y = rows[label].cast(pl.String).to_numpy()
    x, z, y = x[rows[label].is_not_null()], z[rows[label].is_not_null()], y[rows[label].is_not_null()]
    assert (told["rows"], told["sampled"], told["unlabelled"]) == (len(y), len(y), len(rows) - len(y)), told
    near = lambda rows, k: NearestNeighbors(n_neighbors=k).fit(rows).kneighbors(return_distance=False)
    for kept in told["neighbors"]:
        k, what = kept["neighbors"], (name, kept)
        # Distances are computed in float32: of two that differ by rounding alone, either may be the lower one.
        assert abs(kept["trustworthiness"] - trustworthiness(x, z, n_neighbors=k)) < 2e-5, what
        assert abs(kept["continuity"] - trustworthiness(z, x, n_neighbors=k)) < 2e-5, what
        shared = np.mean([len(np.intersect1d(*pair)) / k for pair in zip(near(x, k), near(z, k))])
        assert abs(kept["overlap"] - shared) < 2e-3, (what, shared)
    for space, points in ("latents", z), ("columns", x):
        found = told["label"][space]
        assert abs(found["silhouette"] - silhouette_score(points, y)) < 2e-5, (name, space, found)
        for of in found["accuracy"][:2]:
            votes = KNeighborsClassifier(of["neighbors"], algorithm="brute")
            assert abs(of["accuracy"] - cross_val_score(votes, points, y, cv=LeaveOneOut()).mean()) < 2e-3, (name, space, of)


def of_model(name, data, *flags):
    model, out = folder / f"{name}_latents.safetensors", folder / f"{name}_latents.parquet"
    run("fit", data, "-m", model, "--epochs", 5, "--force", "-q", *flags)
    run("transform", data, out, "-m", model, "--force", "-q")
    return model, json.loads(run("inspect", "-m", model, "--summary", "json"))["metadata"]["features"]


# Pixels with some noise: rows as far from each other would share ranks, which scikit-learn gives in any order.
noise = np.random.default_rng(7).normal(scale=0.3, size=(700, digits.width))
few = digits.head(700).with_columns(pl.when(pl.int_range(pl.len()) % 9 != 4).then(pl.col("label")).alias("label"))
pixels = [name for name in few.columns if name not in ("label", "split")]
few = few.with_columns((pl.col(name) + pl.Series(noise[:, n])).alias(name) for n, name in enumerate(pixels))
few.write_parquet(folder / "few.parquet")
model, learned = of_model("few", folder / "few.parquet", "--exclude", "label,split", "--scale", "none", "--latent-dim", 3)
columns = [feature["column"] for feature in learned]
compare("few", folder / "few.parquet", model, few.select(columns).to_numpy().astype(float), "label")

numbers = ["dep_time", "air_time", "distance", "arr_delay"]
some = flights.select(*numbers, "origin", "carrier").head(600)
some.write_parquet(folder / "some.parquet")
model, _ = of_model("some", folder / "some.parquet", "--exclude", "carrier", "--scale", "none", "--columns", "*")
x = some.select(numbers).to_numpy().astype(float)
x = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
words = np.stack([(some["origin"].cast(pl.String) == word).to_numpy() for word in ("EWR", "JFK", "LGA")], 1) / np.sqrt(2)
compare("some", folder / "some.parquet", model, np.hstack([x, words]), "carrier")
print("evaluate: ok")
