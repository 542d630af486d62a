"""DAGs for Airflow 3: a fit a week, and each night the scores of the day before, with checks that fail if rows drift or too many
are anomalies. The model and the scores are assets, so that other DAGs can wait for them.

The lake has a directory a day: VAEPIPE_LAKE/date=2026-02-01/*.parquet. Copy this file to the DAGs folder, set the three
variables, make the directory VAEPIPE_SCORED, `pip install vaepipe` where tasks run, and trigger `vaepipe_fit` once.
"""

import os
from datetime import date, datetime, timedelta

import vaepipe
from airflow.sdk import Asset, dag, task

LAKE = os.environ.get("VAEPIPE_LAKE", "/srv/vaepipe/lake")
SCORED = os.environ.get("VAEPIPE_SCORED", "/srv/vaepipe/scored")
MODEL = os.environ.get("VAEPIPE_MODEL", "/srv/vaepipe/model.safetensors")
#: Population stability index above which rows usually have shifted.
DRIFT = 0.25
#: Share of anomalies above which somebody should look. A model expects 0.01 of ordinary rows.
RATE = 0.05
#: The day before the run.
DAY = "{{ macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
MODEL_ASSET, SCORED_ASSET = Asset("vaepipe_model", f"file://{MODEL}"), Asset("vaepipe_scored", f"file://{SCORED}")
DAGS = {"start_date": datetime(2026, 1, 1), "catchup": False, "max_active_runs": 1}


@task(retries=2, outlets=[MODEL_ASSET])
def fit(day: str) -> str:
    """Fits a model to the four weeks that end with a day, and replaces the old one."""
    first = date.fromisoformat(day) - timedelta(days=27)
    where = f"date BETWEEN DATE '{first}' AND DATE '{day}'"
    model = vaepipe.fit(LAKE, where=where, preset="anomaly")
    model.save(MODEL, force=True)
    return model.hash


@task(retries=2, outlets=[SCORED_ASSET])
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


@task
def check_anomaly_rate(summary: dict) -> None:
    """Fails if too many rows are anomalies. Their scores are written."""
    if (summary["anomaly_rate"] or 0.0) > RATE:
        raise ValueError(f"{summary['anomalies']} of {summary['rows']} rows are anomalies, more than {RATE:.0%}")


@dag(schedule="30 4 * * 0", **DAGS)
def vaepipe_fit():
    fit(DAY)


@dag(schedule="15 2 * * *", **DAGS)
def vaepipe_transform():
    summary = transform(DAY)
    check_drift(summary)
    check_anomaly_rate(summary)


vaepipe_fit()
vaepipe_transform()
