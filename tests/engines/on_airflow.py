"""airflow_dag.py in Airflow, without a scheduler. Usage: on_airflow.py WORK_DIR, by run.sh, with a database of Airflow's"""

import datetime
import os
import pathlib
import sys

import pyarrow.parquet as pq
from airflow.dag_processing.dagbag import DagBag

import rows

work = pathlib.Path(sys.argv[1])
lake, scored = work / "days", work / "scored-days"
os.environ |= {"VAEPIPE_LAKE": str(lake), "VAEPIPE_SCORED": str(scored), "VAEPIPE_MODEL": str(work / "days.safetensors")}
scored.mkdir()
rows.make_days(lake, ordinary=29, drifted=1)

bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
assert not bag.import_errors, bag.import_errors
assert set(bag.dags) == {"vaepipe_fit", "vaepipe_transform"}, bag.dags


def run(dag, day):
    """The states of the tasks of a run in the night after a day."""
    night = datetime.datetime(2026, 1, 1, 2, 15, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=day + 1)
    done = bag.dags[dag].test(logical_date=night)
    return {task.task_id: str(task.state) for task in done.get_task_instances()}


# Without a model there is nothing to do, however often it is tried.
assert run("vaepipe_transform", 28) == {"transform": "failed", "check_drift": "upstream_failed", "check_anomaly_rate": "upstream_failed"}
assert run("vaepipe_fit", 27) == {"fit": "success"}
good = {"transform": "success", "check_drift": "success", "check_anomaly_rate": "success"}
assert run("vaepipe_transform", 28) == good
assert run("vaepipe_transform", 29) == good | {"check_drift": "failed", "check_anomaly_rate": "failed"}
# A second run of a day replaces its file.
assert run("vaepipe_transform", 28)["transform"] == "success"
for day in (28, 29):
    date = rows.day(day)
    found, given = pq.read_table(scored / f"date={date}.parquet"), pq.read_table(lake / f"date={date}")
    assert found["id"].to_pylist() == given["id"].to_pylist() and "anomaly_score" in found.column_names
assets = {asset.name for dag in bag.dags.values() for task in dag.tasks for asset in task.outlets}
assert assets == {"vaepipe_model", "vaepipe_scored"}, assets
print("Airflow: fitted, transformed, drift and anomalies told, two assets")
