"""Assets for Dagster: a model, fitted once a week, and for each day its rows with their scores, with checks of them.

The lake has a directory a day: VAEPIPE_LAKE/date=2026-02-01/*.parquet. Set the three variables, make the directory VAEPIPE_SCORED,
`pip install dagster pyarrow vaepipe`, and run `dagster dev -f dagster_assets.py`. A check that fails warns; an output is there all the same.
"""

import os
from datetime import date, timedelta

import dagster as dg
import pyarrow.dataset

import vaepipe

LAKE = os.environ.get("VAEPIPE_LAKE", "/srv/vaepipe/lake")
SCORED = os.environ.get("VAEPIPE_SCORED", "/srv/vaepipe/scored")
MODEL = os.environ.get("VAEPIPE_MODEL", "/srv/vaepipe/model.safetensors")
FIRST_DAY = os.environ.get("VAEPIPE_FIRST_DAY", "2026-01-01")
#: Population stability index above which rows usually have shifted.
DRIFT = 0.25
#: Share of anomalies above which somebody should look. A model expects 0.01 of ordinary rows.
RATE = 0.05

days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY)


class UpTo(dg.Config):
    """The last day to learn from."""

    day: str = ""


@dg.asset
def model(config: UpTo) -> dg.MaterializeResult:
    """A model of the four weeks that end with a day, yesterday unless one is named. It replaces the old one."""
    last = date.fromisoformat(config.day) if config.day else date.today() - timedelta(days=1)
    where = f"date BETWEEN DATE '{last - timedelta(days=27)}' AND DATE '{last}'"
    fitted = vaepipe.fit(LAKE, where=where, preset="anomaly")
    fitted.save(MODEL, force=True)
    return dg.MaterializeResult(data_version=dg.DataVersion(fitted.hash), metadata={"path": MODEL})


@dg.asset(
    deps=[dg.AssetDep(model, partition_mapping=dg.AllPartitionMapping())],
    partitions_def=days,
    retry_policy=dg.RetryPolicy(max_retries=2),
    check_specs=[
        dg.AssetCheckSpec("rows", asset="scored", description="Every row is written"),
        dg.AssetCheckSpec("anomaly_rate", asset="scored", description=f"At most {RATE:.0%} are anomalies"),
        dg.AssetCheckSpec("drift", asset="scored", description="Rows are spread as at fit"),
    ],
)
def scored(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The rows of a day with their scores. A second run writes the same file."""
    day = context.partition_key
    given, path = f"{LAKE}/date={day}", f"{SCORED}/date={day}.parquet"
    done = vaepipe.Model.load(MODEL).transform(given).sink(path, force=True)
    rate, drift = done["anomaly_rate"] or 0.0, done["drift"] or {"worst": 0.0, "columns": []}
    moved = [column["name"] for column in drift["columns"] if column["psi"] > max(DRIFT, column["chance"])]
    read, written = (pyarrow.dataset.dataset(rows).count_rows() for rows in (given, path))
    return dg.MaterializeResult(
        metadata={"dagster/row_count": done["rows"], "anomaly_rate": rate, "drift": drift["worst"], "path": path},
        check_results=[
            dg.AssetCheckResult(check_name="rows", passed=read == written, metadata={"read": read, "written": written}),
            dg.AssetCheckResult(
                check_name="anomaly_rate",
                passed=rate <= RATE,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"anomaly_rate": rate, "anomalies": done["anomalies"]},
            ),
            dg.AssetCheckResult(
                check_name="drift",
                passed=drift["worst"] <= DRIFT,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"drift": drift["worst"], "moved": ", ".join(moved) or "none"},
            ),
        ],
    )


nightly = dg.build_schedule_from_partitioned_job(
    dg.define_asset_job("nightly", selection=[scored]), hour_of_day=2, minute_of_hour=15
)
weekly = dg.ScheduleDefinition(job=dg.define_asset_job("weekly", selection=[model]), cron_schedule="30 4 * * 0")

defs = dg.Definitions(assets=[model, scored], schedules=[nightly, weekly])
