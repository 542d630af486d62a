"""The estimator keeps scikit-learn's rules, and gives the numbers of the model."""

import datetime
import pickle
import subprocess
import sys

import duckdb
import joblib
import numpy
import pandas
import polars
import pyarrow
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaepipe
from vaepipe.sklearn import VAE

QUICK = {"max_iter": 3, "random_state": 0}


@parametrize_with_checks([VAE(**QUICK), VAE(n_components=2, preset="anomaly", contamination=0.1, **QUICK)])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def numbers():
    """An array whose columns depend on each other, with a constant one, and one that looks like an identifier."""
    random = numpy.random.default_rng(1)
    angle, noise = random.uniform(0, 6, (2, 2500))
    columns = [numpy.sin(angle), numpy.cos(angle), angle + noise / 9, numpy.full(2500, 7), range(2500)]
    array = numpy.column_stack(columns)
    array[::9, 1] = numpy.nan
    return array


@pytest.fixture(scope="module")
def of_numbers(numbers):
    return VAE(n_components=2, max_iter=5, random_state=3).fit(numbers)


@pytest.fixture(scope="module")
def mixed():
    """Columns of all kinds, with missing values, as lists."""
    rows = range(500)
    return {
        "number": [n * 37 % 500 / 7 if n % 11 else None for n in rows],
        "whole": [n * 31 % 50 for n in rows],
        "word": ["abc"[n % 3] if n % 13 else None for n in rows],
        "flag": [n % 5 == 0 for n in rows],
        "tag": [f"row {n}" for n in rows],
        "same": ["always"] * 500,
        "one": [1] * 500,
    }


FRAMES = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "pyarrow": pyarrow.table}


def test_an_array_gives_the_numbers_of_the_model(numbers, of_numbers):
    frame = polars.DataFrame(numbers, schema=[f"x{n}" for n in range(5)], nan_to_null=True)
    expected = of_numbers.model_.transform(frame)
    latents = of_numbers.transform(numbers)
    assert latents.dtype == numpy.float32 and latents.shape == (2500, 2)
    assert (latents == expected.select("z_0", "z_1").to_numpy()).all()
    assert (of_numbers.score_samples(numbers) == -expected["anomaly_score"].to_numpy().astype(float)).all()
    assert ((of_numbers.predict(numbers) == -1) == expected["is_anomaly"].to_numpy()).all()
    assert of_numbers.score(numbers) == pytest.approx(-expected["anomaly_score"].mean())
    same = vaepipe.fit(frame, columns=frame.columns, latent_dim=2, epochs=5, seed=3)
    assert same.to_bytes() == of_numbers.model_.to_bytes()


def test_every_column_of_an_array_that_varies_is_learned(numbers, of_numbers):
    metadata = of_numbers.model_.metadata
    assert [column["column"] for column in metadata["carried"]] == ["x3"]
    assert of_numbers.n_components_ == 2 and of_numbers.n_iter_ == len(metadata["history"]["epochs"])
    excluded = VAE(options={"exclude": ["x4"]}, **QUICK).fit(numbers).model_.metadata["carried"]
    assert {column["column"] for column in excluded} == {"x3", "x4"}
    narrow = VAE(**QUICK).fit(numbers.astype("float32"))
    assert {column["type"] for column in narrow.model_.metadata["features"]} == {"Float32"}


@pytest.mark.parametrize("contamination", ["auto", 0.05])
@pytest.mark.parametrize("rows", [2500, 300, 40])
def test_outliers_are_below_zero(numbers, contamination, rows):
    X = numbers[:rows, :3]
    vae = VAE(contamination=contamination, **QUICK)
    predicted, decision = vae.fit_predict(X), vae.decision_function(X)
    assert ((predicted == -1) == (decision < 0)).all() and (predicted == vae.predict(X)).all()
    assert (decision == vae.score_samples(X) - vae.offset_).all()
    assert (vae.labels_ == (predicted == -1)).all() and (vae.decision_scores_ == -vae.score_samples(X)).all()
    if contamination != "auto":
        assert vae.labels_.sum() == contamination * rows
    elif rows >= 100:
        frame = polars.DataFrame(X, schema=["x0", "x1", "x2"], nan_to_null=True)
        p_values = vae.model_.transform(frame)["p_value"].to_numpy()
        assert (vae.labels_ == (p_values <= 0.01)).all() and (vae.labels_.any() or rows == 300)


@pytest.mark.parametrize(("rows", "outliers"), [(300, 3), (40, 0)])
def test_without_p_values_rows_odder_than_the_rest_are_outliers(numbers, rows, outliers):
    vae = VAE(validation_fraction=0, **QUICK).fit(numbers[:rows, :3])
    assert vae.labels_.sum() == outliers and (vae.decision_function(numbers[:rows, :3]) < 0).sum() == outliers
    assert vae.predict([[1e3, -1e3, 1e3]]) == [-1]


def test_an_alpha_and_a_threshold_decide(numbers):
    X = numbers[:, :3]
    by_score = VAE(options={"threshold": 1.5}, **QUICK).fit(X)
    assert (by_score.labels_ == (by_score.decision_scores_ >= 1.5)).all()
    most = VAE(options={"alpha": 0.2}, **QUICK).fit(X)
    assert most.labels_.mean() == pytest.approx(0.2, abs=0.1)


def test_a_row_without_a_known_value_is_no_outlier(numbers, of_numbers):
    X = numbers[:3].copy()
    X[1] = numpy.nan
    assert numpy.isfinite(of_numbers.transform(X)).all()
    assert numpy.isnan(of_numbers.decision_function(X)).tolist() == [False, True, False]
    assert of_numbers.predict(X)[1] == 1
    assert of_numbers.score(X) == pytest.approx(of_numbers.score_samples(X[[0, 2]]).mean())


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_mixed_columns_need_no_preparation(mixed, kind):
    X = FRAMES[kind](mixed)
    vae = VAE(n_components=2, **QUICK)
    latents = vae.fit_transform(X)
    expected = polars.DataFrame(vae.model_.transform(X))
    assert (latents == expected.select("z_0", "z_1").to_numpy()).all()
    assert (vae.score_samples(X) == -expected["anomaly_score"].to_numpy().astype(float)).all()
    assert list(vae.feature_names_in_) == list(mixed) and vae.n_features_in_ == 7
    learned = [feature for feature in mixed if feature not in {c["column"] for c in vae.model_.metadata["carried"]}]
    assert learned == ["number", "whole", "word", "flag"]
    with pytest.raises(ValueError, match="feature names"):
        vae.predict(FRAMES[kind]({name.upper(): values for name, values in mixed.items()}))


def test_nan_is_missing_without_a_warning(numbers, caplog):
    vae = VAE(**QUICK).fit(numbers)
    vae.transform(numbers)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert vae.model_.metadata["features"][1]["missing"] == numpy.isnan(numbers[:, 1]).sum()


@pytest.mark.parametrize("kind", FRAMES)
def test_dates_of_frames_are_given(mixed, kind):
    start = datetime.datetime(2026, 1, 1)
    X = FRAMES[kind](mixed | {"when": [start + datetime.timedelta(hours=n) for n in range(500)]})
    vae = VAE(**QUICK).fit(X)
    latents = vae.transform(X)
    with pytest.raises(ValueError, match="given when"):
        vae.inverse_transform(latents)
    with pytest.raises(ValueError, match="given has 500"):
        vae.inverse_transform(latents[1:], X)
    rebuilt = polars.DataFrame(vae.inverse_transform(latents, X))
    expected = polars.DataFrame(vae.model_.reconstruct(X))
    assert rebuilt.columns == [*mixed, "when"] and rebuilt.equals(expected.select(rebuilt.columns))


def test_columns_of_an_array_may_be_given(numbers):
    vae = VAE(options={"given": ["x2"]}, **QUICK).fit(numbers)
    rebuilt = vae.inverse_transform(vae.transform(numbers), numbers)
    frame = polars.DataFrame(numbers, schema=[f"x{n}" for n in range(5)], nan_to_null=True)
    assert (rebuilt == vae.model_.reconstruct(frame).to_numpy()).all() and (rebuilt[:, 2] == numbers[:, 2]).all()


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_are_rebuilt_from_latents(mixed, kind):
    X = FRAMES[kind](mixed)
    vae = VAE(n_components=2, **QUICK).fit(X)
    rebuilt, expected = vae.inverse_transform(vae.transform(X)), vae.model_.reconstruct(X)
    assert type(rebuilt) is type(X)
    if kind == "pandas":
        assert (rebuilt.dtypes == X.dtypes).all()
    else:
        assert rebuilt.schema == X.schema
    rebuilt, expected, X = (polars.DataFrame(frame) for frame in (rebuilt, expected, X))
    for name in ["number", "whole", "word", "flag"]:
        assert rebuilt[name].equals(expected[name]), name
    assert rebuilt["same"].equals(X["same"]) and rebuilt["one"].equals(X["one"])
    assert rebuilt["tag"].null_count() == 500


def test_arrays_are_rebuilt_from_latents(numbers, of_numbers):
    rebuilt = of_numbers.inverse_transform(of_numbers.transform(numbers))
    frame = polars.DataFrame(numbers, schema=[f"x{n}" for n in range(5)], nan_to_null=True)
    expected = of_numbers.model_.reconstruct(frame)
    assert rebuilt.dtype == numbers.dtype and (rebuilt == expected.to_numpy()).all()
    assert numpy.nanmean((rebuilt[:, 0] - numbers[:, 0]) ** 2) < numpy.nanvar(numbers[:, 0])
    with pytest.raises(ValueError, match="latent"):
        of_numbers.inverse_transform(rebuilt)
    with pytest.raises(ValueError, match="NaN"):
        of_numbers.inverse_transform([[0.5, numpy.nan]])


def test_a_frame_of_numbers_of_pandas_is_rebuilt(numbers):
    X = pandas.DataFrame(numbers, columns=list("abcde")).assign(whole=range(7, 2507), flag=numbers[:, 0] > 0)
    vae = VAE(options={"columns": ["*", "whole"]}, **QUICK).fit(X)
    rebuilt = vae.inverse_transform(vae.transform(X))
    expected = vae.model_.reconstruct(X)
    pandas.testing.assert_frame_equal(rebuilt.drop(columns="e"), expected.drop(columns="e"))


def test_set_output_gives_frames(mixed):
    for kind, X in [("pandas", pandas.DataFrame(mixed, index=range(1000, 1500))), ("polars", polars.DataFrame(mixed))]:
        vae = VAE(n_components=2, **QUICK).set_output(transform=kind)
        latents = vae.fit_transform(X)
        assert isinstance(latents, type(X)) and list(latents.columns) == ["vae0", "vae1"]
        assert list(vae.get_feature_names_out()) == ["vae0", "vae1"]
        assert vae.transform(X).equals(latents)
        assert (numpy.asarray(latents) == clone(vae).set_output(transform="default").fit_transform(X)).all()
        if kind == "pandas":
            assert latents.index.equals(X.index)
        # Latents of a frame are taken, too.
        assert list(vae.inverse_transform(latents).columns) == list(mixed)


def test_rows_of_a_frame_may_be_an_array(mixed):
    X = pandas.DataFrame(mixed)
    vae = VAE(n_components=2, **QUICK).fit(X)
    with pytest.warns(UserWarning, match="feature names"):
        flags = X.assign(flag=X["flag"].astype(object)).to_numpy(dtype=object)
        assert (vae.transform(flags) == vae.transform(X)).all()
    numbers = X[["number", "whole"]]
    vae = VAE(n_components=2, **QUICK).fit(numbers)
    with pytest.warns(UserWarning, match="feature names"):
        assert (vae.score_samples(numbers.to_numpy()) == vae.score_samples(numbers)).all()


def test_streams_of_arrow_are_taken(mixed):
    frame = polars.DataFrame(mixed)
    expected = VAE(**QUICK).fit(frame).decision_scores_
    for data in (frame.lazy(), frame.to_arrow().combine_chunks().to_batches()[0]):
        assert (VAE(**QUICK).fit(data).decision_scores_ == expected).all()
    relation = duckdb.sql("from frame")
    assert VAE(**QUICK).fit(relation).decision_scores_ == pytest.approx(expected)
    assert VAE(n_components=2, **QUICK).fit_transform(relation).shape == (500, 2)
    reader = pyarrow.RecordBatchReader.from_batches(frame.to_arrow().schema, frame.to_arrow().to_batches())
    assert VAE(**QUICK).fit_predict(reader).shape == (500,)
    with pytest.raises(ValueError, match="2D"):
        VAE(**QUICK).fit(frame["number"])


def test_given_groups_rank_their_rows():
    random = numpy.random.default_rng(2)
    site = numpy.repeat(["a", "b"], 1500)
    spread = numpy.where(site == "a", 1.0, 50.0)
    X = pandas.DataFrame({"x": random.normal(size=3000) * spread, "y": random.normal(size=3000) * spread, "site": site})
    vae = VAE(options={"given": ["site"]}, **QUICK).fit(X)
    expected = vae.model_.transform(X)["is_anomaly"]
    assert ((vae.predict(X) == -1) == expected).all() and (vae.labels_ == expected).all() and vae.labels_.any()
    half = VAE(options={"given": ["site"]}, contamination=0.1, **QUICK).fit(X).labels_[site == "a"]
    assert 50 < half.sum() < 250


def test_the_seed_decides(numbers):
    X = numbers[:300]
    seeds = [(5, None), (5, -2), (6, None)]
    first, again, other = (VAE(max_iter=2, random_state=seed, n_jobs=jobs).fit(X).model_ for seed, jobs in seeds)
    assert first.to_bytes() == again.to_bytes() != other.to_bytes()
    states = [numpy.random.RandomState(1), numpy.random.RandomState(1)]
    drawn = [VAE(max_iter=2, random_state=state).fit(X).model_.to_bytes() for state in states]
    assert drawn[0] == drawn[1]
    twice = [VAE(max_iter=2, random_state=states[0]).fit(X).model_.to_bytes() for _ in range(2)]
    assert twice[0] != twice[1]


def test_parameters_are_the_options_of_a_fit(numbers):
    X = numbers[:400, :3]
    vae = VAE(
        3,
        hidden_layer_sizes=(9, 5),
        activation="tanh",
        learning_rate_init=0.01,
        batch_size=50,
        max_iter=4,
        n_iter_no_change=2,
        validation_fraction=0.3,
        preset="anomaly",
        random_state=numpy.int64(8),
        n_jobs=1,
        device="cpu",
        options={"beta": 0.5},
    ).fit(X)
    frame = polars.DataFrame(X, schema=["x0", "x1", "x2"], nan_to_null=True)
    options = {"latent_dim": 3, "hidden": [9, 5], "activation": "tanh", "lr": 0.01, "batch_size": 50, "epochs": 4}
    options |= {"patience": 2, "val_fraction": 0.3, "preset": "anomaly", "seed": 8, "beta": 0.5}
    options["columns"] = frame.columns
    assert vae.model_.to_bytes() == vaepipe.fit(frame, **options).to_bytes()
    assert VAE(hidden_layer_sizes=(), **QUICK).fit(X).model_.metadata["network"]["hidden"] == []
    assert VAE("auto", **QUICK).fit(X).n_components_ >= 1


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"options": {"latent_dim": 3}}, ValueError, "n_components"),
        ({"options": {"fdr": 0.1}}, ValueError, "fdr"),
        ({"options": {"betta": 3}}, TypeError, "beta"),
        ({"n_components": 0}, ValueError, "latent_dim"),
        ({"contamination": 1.5}, ValueError, "contamination"),
        ({"n_jobs": 0}, ValueError, "threads"),
        ({"device": "abacus"}, ValueError, "abacus"),
    ],
)
def test_wrong_parameters_are_told_at_fit(numbers, parameters, error, words):
    vae = VAE(**parameters)
    with pytest.raises(error, match=words):
        vae.fit(numbers[:100])
    with pytest.raises(NotFittedError):
        vae.transform(numbers[:100])


def test_progress_is_shown(numbers, capsys):
    VAE(verbose=1, **QUICK).fit(numbers)
    assert "training" in capsys.readouterr().err
    VAE(**QUICK).fit(numbers)
    assert capsys.readouterr().err == ""


def test_it_is_pickled_cloned_and_sent_to_workers(numbers, of_numbers, mixed):
    again = pickle.loads(pickle.dumps(of_numbers))
    assert again.model_.to_bytes() == of_numbers.model_.to_bytes()
    assert (again.predict(numbers) == of_numbers.predict(numbers)).all()
    copy = clone(of_numbers)
    assert copy.get_params() == of_numbers.get_params() and not hasattr(copy, "model_")
    on_cpu = pickle.loads(pickle.dumps(VAE(device="cpu", **QUICK).fit(numbers)))
    assert on_cpu.transform(numbers).shape == (2500, on_cpu.n_components_)
    frame = polars.DataFrame(mixed)
    of_frame = pickle.loads(pickle.dumps(VAE(**QUICK).fit(frame)))
    assert of_frame.inverse_transform(of_frame.transform(frame)).schema == frame.schema
    parts = numpy.array_split(numbers, 2)
    scores = joblib.Parallel(n_jobs=2)(joblib.delayed(of_numbers.score_samples)(part) for part in parts)
    assert (numpy.concatenate(scores) == of_numbers.score_samples(numbers)).all()


@pytest.mark.parametrize("kind", FRAMES)
def test_a_pickle_holds_no_rows(mixed, kind):
    vae = VAE(**QUICK).fit(FRAMES[kind](mixed))
    state = pickle.dumps(vae)
    assert b"always" in state and b"row 123" not in state
    assert pickle.loads(state).inverse_transform(vae.transform(FRAMES[kind](mixed))).shape == (500, 7)


def test_it_works_in_pipelines_and_searches(numbers, mixed):
    X, y = numbers[:400, :3], numbers[:400, 0] > 0
    classifier = make_pipeline(StandardScaler(), VAE(n_components=2, **QUICK), LogisticRegression())
    search = GridSearchCV(classifier, {"vae__n_components": [1, 2]}, cv=2).fit(X, y)
    assert search.best_params_["vae__n_components"] in (1, 2) and search.best_score_ > 0.5
    assert numpy.isfinite(cross_val_score(VAE(**QUICK), X, cv=3)).all()
    for kind in (pandas.DataFrame, polars.DataFrame):
        frame = kind(mixed)
        assert numpy.isfinite(cross_val_score(VAE(**QUICK), frame, cv=2)).all()
        parts = [("vae", VAE(n_components=2, **QUICK), ["number", "word"]), ("rest", "passthrough", ["one"])]
        both = ColumnTransformer(parts)
        assert both.fit_transform(frame).shape == (500, 3)


SCRIPT = """
import sys
sys.modules["pyarrow"] = None
import numpy
import {library}
from vaepipe.sklearn import VAE
array = numpy.random.default_rng(0).normal(size=(300, 4))
array[5, 1] = numpy.nan
X = {frame}
vae = VAE(n_components=2, max_iter=2, random_state=0).fit(X)
latents = vae.transform(X)
assert latents.shape == (300, 2) and vae.predict(X).shape == (300,)
rebuilt = vae.inverse_transform(latents)
assert type(rebuilt) is type(X) and rebuilt.shape == X.shape, rebuilt
"""


@pytest.mark.parametrize(
    ("library", "frame"),
    [
        ("numpy", "array"),
        ("pandas", "pandas.DataFrame(array, columns=list('abcd')).assign(c=range(300), d=array[:, 0] > 0)"),
        ("polars", "polars.DataFrame(array).with_columns(e=polars.lit('w'), d=polars.Series(['a', 'b', None] * 100))"),
    ],
)
def test_arrays_polars_and_numbers_of_pandas_need_no_pyarrow(library, frame):
    subprocess.run([sys.executable, "-c", SCRIPT.format(library=library, frame=frame)], check=True)


def test_vaepipe_alone_imports_no_scikit_learn():
    script = "import sys, vaepipe; assert not {'sklearn', 'numpy', 'vaepipe.sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
