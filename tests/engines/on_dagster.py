"""dagster_assets.py in Dagster, without its daemon. Usage: on_dagster.py WORK_DIR"""

import os
import pathlib
import sys

import dagster as dg
import pyarrow.parquet as pq

import rows

work = pathlib.Path(sys.argv[1])
lake, scored = work / "dagster-days", work / "dagster-scored"
model = work / "dagster-days.safetensors"
os.environ |= {"VAEPIPE_LAKE": str(lake), "VAEPIPE_SCORED": str(scored), "VAEPIPE_MODEL": str(model)}
scored.mkdir()
rows.make_days(lake, ordinary=29, drifted=1)

import dagster_assets as assets  # noqa: E402  reads the variables

dg.Definitions.validate_loadable(assets.defs)
instance = dg.DagsterInstance.ephemeral()


def run(day):
    """Whether the checks of a day pass, by name; None if its rows have no scores."""
    done = dg.materialize(
        [assets.model, assets.scored],
        selection=[assets.scored],
        partition_key=rows.day(day),
        instance=instance,
        raise_on_error=False,
    )
    checks = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    return checks if done.success else None


# Without a model there is nothing to do, however often it is tried.
assert run(28) is None
fitted = dg.materialize(
    [assets.model], instance=instance, run_config={"ops": {"model": {"config": {"day": rows.day(27)}}}}
)
assert fitted.success and model.is_file()
good = {"rows": True, "anomaly_rate": True, "drift": True}
assert run(28) == good, run(28)
assert run(29) == good | {"anomaly_rate": False, "drift": False}
# A second run of a day replaces its file.
assert run(28) == good
for day in (28, 29):
    date = rows.day(day)
    found, given = pq.read_table(scored / f"date={date}.parquet"), pq.read_table(lake / f"date={date}")
    assert found["id"].to_pylist() == given["id"].to_pylist() and "anomaly_score" in found.column_names
event = instance.get_latest_materialization_event(dg.AssetKey("scored"))
assert event.asset_materialization.metadata["dagster/row_count"].value == 500
print("Dagster: fitted, transformed, three checks told")
