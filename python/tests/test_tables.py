"""Questions to whole tables get the program's answers."""

import json

import polars
import pytest
from conftest import program

import vaepipe


@pytest.fixture(scope="module")
def scored(flights, flights_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    flights_model.save(folder / "vae.safetensors")
    flights_model.transform(flights).sink(folder / "scored.parquet")
    rows = polars.read_parquet(folder / "scored.parquet")
    rows.with_columns(label=polars.col("dep_delay") > 120).write_parquet(folder / "labelled.parquet")
    return folder


def test_inspect_tells_the_plan_of_a_fit(flights):
    plan = json.loads(program("inspect", flights, "--summary", "json", "--latent-dim", 5))
    found = vaepipe.inspect(flights, latent_dim=5)
    assert found["rows"] == 16_000 and found["model"] == plan["model"]
    assert [column["column"] for column in found["columns"]] == [column["column"] for column in plan["columns"]]


def test_inspect_tells_what_a_model_stores(scored, flights_model):
    assert vaepipe.inspect(scored / "vae.safetensors") == flights_model.metadata
    with pytest.raises(TypeError, match="epochs"):
        vaepipe.inspect(flights_model, epochs=3)


def test_evaluate_measures_what_the_program_measures(scored):
    labelled = scored / "labelled.parquet"
    expected = json.loads(program("evaluate", labelled, "--label", "label", "--summary", "json"))
    assert vaepipe.evaluate(labelled, "label") == expected
    series = json.loads(
        program("evaluate", labelled, "--label", "label", "--order-by", "time_hour", "--by", "origin", "--window", 9, "--summary", "json")
    )
    assert series["scores"][0]["vus"]["series"] == 3
    assert vaepipe.evaluate(labelled, "label", order_by="time_hour", by="origin", window=9) == series
    with pytest.raises(TypeError, match="order_by is missing"):
        vaepipe.evaluate(labelled, "label", by="origin")
    of_frame = vaepipe.evaluate(polars.read_parquet(labelled), "label", score="anomaly_score")
    assert of_frame["scores"][0] == expected["scores"][0]


def test_drift_is_that_of_the_program(scored, flights, flights_model):
    expected = json.loads(program("drift", flights, "-m", scored / "vae.safetensors", "--summary", "json"))
    found = flights_model.drift(polars.read_parquet(flights).with_columns(distance=3 * polars.col("distance")))
    assert {shift["name"] for shift in found["columns"]} == {shift["name"] for shift in expected["columns"]}
    assert found["worst"] > 0.25 and found["shifted"][0] == "distance"
    assert flights_model.drift(flights)["shifted"] == []


def test_two_models_are_compared_as_by_the_program(scored, flights, flights_model, tmp_path):
    other = vaepipe.fit(flights, exclude=["flight"], epochs=2, note="short", stamp=True)
    other.save(tmp_path / "other.safetensors")
    tags = other.metadata["provenance"]["tags"]
    assert (tags["note"], tags["data"]) == ("short", [str(flights)]) and tags["time"].endswith("Z")
    files = (scored / "vae.safetensors", tmp_path / "other.safetensors")
    expected = json.loads(program("compare", *files, flights, "--top", 4, "--summary", "json"))
    found = vaepipe.Model.load(files[0]).compare(other, flights, top=4)
    assert found == {"models": expected["models"], "rows": expected["rows"]}
    of_frame = vaepipe.Model.load(files[0]).compare(other, polars.read_parquet(flights), top=4)["rows"]
    assert of_frame["anomalies"] == found["rows"]["anomalies"]
    assert flights_model.compare(flights_model)["models"]["identical"] and flights_model.compare(other)["rows"] is None


def test_the_meaning_of_latents_is_that_of_the_program(scored, flights_model):
    expected = json.loads(program("inspect", scored / "vae.safetensors", "--latents", "--summary", "json"))
    assert flights_model.latents() == expected["latents"]


def test_a_report_is_a_page_that_a_notebook_shows(scored, flights_model, tmp_path):
    page = vaepipe.report(scored / "scored.parquet", flights_model, top=5)
    assert page.html.startswith("<!") and "srcdoc" in page._repr_html_()
    page.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == page.html
    with pytest.raises(FileExistsError):
        page.save(tmp_path / "report.html")
    with pytest.raises(vaepipe.UsageError):
        vaepipe.report(scored / "scored.parquet", flights_model, top=0)
    with pytest.raises(vaepipe.UsageError, match='no column "destt"; did you mean "dest"'):
        vaepipe.report(scored / "scored.parquet", flights_model, show=["destt"])
    shown = vaepipe.report(scored / "scored.parquet", flights_model, top=5, show=["dest", "origin", "distance"], time="time_hour")
    assert shown.html != page.html
    [one, list_of_one] = [vaepipe.report(scored / "scored.parquet", top=5, show=show).html for show in ("dest", ["dest"])]
    assert one == list_of_one


def test_fit_transform_reads_a_stream_twice(points):
    frame = polars.DataFrame(points)
    expected = vaepipe.fit(frame, latent_dim=1, epochs=2).transform(frame, std=True)
    assert vaepipe.fit_transform(frame, latent_dim=1, epochs=2, std=True).equals(expected)
    rows = vaepipe.fit_transform(iter([frame[:100], frame[100:]]), latent_dim=1, epochs=2, std=True)
    assert polars.concat(rows).equals(expected)


def test_a_false_discovery_rate_decides_on_all_rows(scored, flights, flights_model):
    frame = polars.read_parquet(flights)
    program("transform", flights, scored / "fdr.parquet", "-m", scored / "vae.safetensors", "--fdr", "0.2")
    expected = polars.read_parquet(scored / "fdr.parquet")["is_anomaly"]
    assert flights_model.transform(frame, fdr=0.2)["is_anomaly"].equals(expected)


def test_the_likelihood_of_rows_is_measured(scored, flights_model):
    found = flights_model.log_likelihood(polars.read_parquet(scored / "scored.parquet").head(200), samples=50)
    assert found["rows"] == 200 and found["importance_weighted"] >= found["elbo"]


def test_latents_are_compared_with_the_columns(scored, flights_model):
    rows = polars.read_parquet(scored / "scored.parquet").head(300)
    found = flights_model.latent_quality(rows, label="origin")
    assert [kept["neighbors"] for kept in found["neighbors"]] == [5, 15, 50] and found["label"]["classes"] == 3


def test_a_model_learns_what_people_say_of_rows(points):
    frame = polars.DataFrame(points)
    model = vaepipe.fit(frame, preset="anomaly", epochs=3)
    odd = model.transform(frame).top_k(3, by="anomaly_score").with_columns(false=polars.lit(value=False))
    taught = model.feedback(odd, "false")
    assert [row["verdict"] for row in taught.reviewed()] == ["normal"] * 3
    after = taught.transform(odd.select(frame.columns))
    assert (after["anomaly_score"] < odd["anomaly_score"]).all()
    assert len(taught.forget(2).reviewed()) == 2
    assert taught.forget().to_bytes() == model.to_bytes()
    with pytest.raises(vaepipe.UsageError, match="4"):
        taught.forget(4)


def test_clusters_are_columns_of_a_transform(points):
    frame = polars.DataFrame(points)
    model = vaepipe.fit(frame, latent_dim=1, epochs=2, clusters=2)
    rows = model.transform(frame)
    assert rows["cluster"].dtype == polars.Int32 and rows["cluster_p"].is_between(0, 1).all()
    assert len(model.metadata["clusters"]["rows"]) == rows["cluster"].n_unique()
