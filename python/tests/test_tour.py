"""The notebook runs, and what its text says is so. `python tests/test_tour.py` runs it and keeps what its cells show."""

import pathlib
import re

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
TOUR = EXAMPLES / "tour.ipynb"
#: What the text says, of the variables of the notebook.
CLAIMS = """
value = {column["column"]: column["value"] for column in model.metadata["health"]["columns"]}
assert value["sched_dep_time"] > 0.9 and value["distance"] > 0.8 and value["dep_delay"] < 0.3
assert len(nats) == 3

assert (odd["carrier"][0], odd["flight"][0], odd["dest"][0]) == ("HA", 51, "HNL") and odd["dep_delay"][0] / 60 > 21
assert 0.005 < scored["is_anomaly"].mean() < 0.02

assert first["first"].value_counts(sort=True)["first"][0].endswith("_time")
at_night = dict(scored.group_by("is_anomaly").agg(night.mean()).iter_rows())
assert at_night[True] > 0.5 and at_night[False] < 0.1

relation = {column: abs(scored.select(pl.corr(x, column, method="spearman")).item()) for column in columns}
assert relation["distance"] > 0.7 and relation["sched_dep_time"] < 0.2
spread = scored.group_by("origin").agg(pl.col(x).mean(), pl.col(y).mean())
assert max(spread[x].max() - spread[x].min(), spread[y].max() - spread[y].min()) > 0.5

for name in hidden:
    found = compare(name)
    assert found["error of impute"] < found["error of the median"] and found["within the interval"] > 0.9, found
assert compare("air_time")["error of impute"] * 4 < compare("air_time")["error of the median"]

assert new.select(pl.corr("distance", "air_time")).item() > 0.95
both = shares(flights, "flights").join(shares(new, "generated"), on="carrier")
assert (both["flights"] - both["generated"]).abs().max() < 0.03
assert (new["dep_time"] % 100).max() > 59
miles = flights.group_by("origin", "dest").agg(real=pl.col("distance").first()).cast({"origin": pl.String})
wrong = new.cast({"origin": pl.String}).join(miles, on=["origin", "dest"]).select(pl.col("distance") / pl.col("real") - 1)
assert (wrong["distance"].abs() > 0.2).mean() > 0.2

hour = {row["month"]: row.get("hour") or 0 for row in moved}
assert all(hour[month] > 3 for month in range(4, 11)), hour
assert all(hour[month] == 0 for month in (1, 2, 11, 12)) and 0 < hour[3] < 3, hour
local = flights.with_columns(summer=pl.col("month").is_between(4, 10)).group_by("summer").agg(pl.col("hour").mean())
assert local["hour"].max() - local["hour"].min() < 0.2
"""


def run(notebook):
    """Runs the notebook where its paths lead to the sample data."""
    ExecutePreprocessor(timeout=300, record_timing=False).preprocess(notebook, {"metadata": {"path": EXAMPLES}})
    return notebook


def test_the_notebook_runs_and_its_text_is_true():
    notebook = nbformat.read(TOUR, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(CLAIMS))
    report = next(cell for cell in run(notebook).cells if "not-kept" in cell.metadata.get("tags", []))
    assert "<iframe srcdoc" in report.outputs[0].data["text/html"]


def test_what_the_notebook_keeps_is_small_whole_and_of_no_machine():
    text = TOUR.read_text()
    assert len(text) < 300_000 and not re.search(r'["\s](/(home|root|tmp|usr)/|[A-Z]:\\)', text)
    cells = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    kept = [cell for cell in cells if "not-kept" not in cell.metadata.get("tags", [])]
    assert [cell.execution_count for cell in kept] == list(range(1, len(kept) + 1))
    assert all(output.output_type != "error" for cell in kept for output in cell.outputs)


if __name__ == "__main__":
    tour = run(nbformat.read(TOUR, as_version=4))
    for cell in tour.cells:
        if "not-kept" in cell.metadata.get("tags", []):
            cell.outputs, cell.execution_count = [], None
    tour.metadata["language_info"] = {"name": "python"}
    nbformat.write(tour, TOUR)
