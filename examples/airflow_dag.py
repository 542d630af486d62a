"""DAGs for Airflow 3: a fit a week, and each night the scores of the day before, which fails if its rows drift.

The lake has a directory a day: VAEPIPE_LAKE/date=2026-02-01/*.parquet. Copy this file to the DAGs folder, set the three
variables, make the directory VAEPIPE_SCORED, `pip install vaepipe` where tasks run, and trigger `vaepipe_fit` once.
"""

import os
from datetime import date, datetime, timedelta

import vaepipe
from airflow.sdk import dag, task

LAKE = os.environ.get("VAEPIPE_LAKE", "/srv/vaepipe/lake")
SCORED = os.environ.get("VAEPIPE_SCORED", "/srv/vaepipe/scored")
MODEL = os.environ.get("VAEPIPE_MODEL", "/srv/vaepipe/model.safetensors")
#: Population stability index above which rows usually have shifted.
DRIFT = 0.25
#: The day before the run.
DAY = "{{ macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
DAGS = {"start_date": datetime(2026, 1, 1), "catchup": False, "max_active_runs": 1}


@task(retries=2)
def fit(day: str) -> str:
    """Fits a model to the four weeks that end with a day, and replaces the old one."""
    first = date.fromisoformat(day) - timedelta(days=27)
    where = f"date BETWEEN DATE '{first}' AND DATE '{day}'"
    model = vaepipe.fit(LAKE, where=where, preset="anomaly")
    model.save(MODEL, force=True)
    return model.hash


@task(retries=2)
def transform(day: str) -> dict:
    """Writes the rows of a day with their scores, and gives the summary. A second try writes the same file."""
    rows = vaepipe.Model.load(MODEL).transform(f"{LAKE}/date={day}")
    return rows.sink(f"{SCORED}/date={day}.parquet", force=True)


@task
def check_drift(summary: dict) -> None:
    """Fails if rows are spread otherwise than at fit. Their scores are written."""
    drift = summary["drift"]
    if drift and drift["worst"] > DRIFT:
        moved = [column["name"] for column in drift["columns"] if column["psi"] > max(DRIFT, column["chance"])]
        raise ValueError(f"PSI {drift['worst']:.2f} is above {DRIFT}; columns that moved: {', '.join(moved) or 'none'}")


@dag(schedule="30 4 * * 0", **DAGS)
def vaepipe_fit():
    fit(DAY)


@dag(schedule="15 2 * * *", **DAGS)
def vaepipe_transform():
    check_drift(transform(DAY))


vaepipe_fit()
vaepipe_transform()
