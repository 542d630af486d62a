#!/usr/bin/env python3
"""Checks what the README's main command wrote, its model, and other outputs from outside.

    readers.py REPOSITORY FOLDER

FOLDER holds what .ci/run made of the digits.
Needs: pip install polars duckdb pandas pyarrow jsonschema prometheus-client
"""
import json, os, re, struct, sys, tomllib
from pathlib import Path

import duckdb, jsonschema, pandas, polars, pyarrow.parquet as pq
from prometheus_client.parser import text_string_to_metric_families
from referencing import Registry, Resource

repository, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
os.chdir(folder)

# Three other readers see the carried columns unchanged and the new ones with the same values.
before = pq.read_table(repository / "sample_data/digits.parquet")
after = pq.read_table("scored.parquet")
assert after.select(before.column_names).equals(before), "carried columns changed"
new = [name for name in after.column_names if name not in before.column_names]
assert new[-4:] == ["recon_error", "anomaly_score", "p_value", "is_anomaly"], new
assert all(name.startswith("z_") for name in new[:-4]), new
by_polars, by_pandas = polars.read_parquet("scored.parquet"), pandas.read_parquet("scored.parquet")
by_duckdb = duckdb.sql("select * from 'scored.parquet'").arrow()
by_duckdb = by_duckdb.read_all() if hasattr(by_duckdb, "read_all") else by_duckdb
for name in new:
    expected = after[name].to_pylist()
    assert by_polars[name].to_list() == expected and by_pandas[name].tolist() == expected, name
    assert by_duckdb[name].to_pylist() == expected, name

# What is rebuilt, drawn and walked through can be read by all three as well.
flights = pq.read_table(repository / "sample_data/flights.parquet")
for name, rows, columns in [("rebuilt", 16000, 19), ("drawn", 1000, 15), ("walk", 39, 17)]:
    read = [polars.read_parquet(f"{name}.parquet").shape, pandas.read_parquet(f"{name}.parquet").shape]
    read.append(duckdb.sql(f"select * from '{name}.parquet'").shape)
    assert read == [(rows, columns)] * 3, (name, read)
drawn = pq.read_table("drawn.parquet")
assert set(drawn["origin"].to_pylist()) <= set(flights["origin"].to_pylist())
assert drawn["dep_time"].null_count > 0 and drawn["hour"].null_count == 0

# What the program writes keeps to its schemas, and the book's settings too.
schemas = {path.name: json.loads(path.read_text()) for path in (repository / "schemas").glob("*.json")}
registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas.items())


def check(value, schema):
    jsonschema.Draft202012Validator(schemas[schema], registry=registry).validate(value)


def refuses(value, schema):
    try:
        check(value, schema)
    except jsonschema.ValidationError:
        return
    raise AssertionError(f"{schema} takes {value}")


def last_line(name):
    return json.loads(Path(name).read_text().splitlines()[-1])


def metadata_of(name):
    model = Path(name).read_bytes()
    header = json.loads(model[8 : 8 + struct.unpack("<Q", model[:8])[0]])
    return json.loads(header["__metadata__"]["vaepipe"])


metadata = metadata_of("digits.safetensors")
check(metadata_of("flights.safetensors"), "model.schema.json")
check(metadata, "model.schema.json"), refuses(metadata | {"more": 1}, "model.schema.json")
summary = last_line("summary.json")
check(summary, "summary.schema.json"), check(summary["fit"], "summary.schema.json")
check(summary["transform"], "summary.schema.json"), check(last_line("imputed.json"), "summary.schema.json")
for name in ("rebuilt.json", "drawn.json", "walk.json", "report.json"):
    check(last_line(name), "summary.schema.json")
check(last_line("flights.json"), "summary.schema.json")
drift = last_line("drift.json")
check(drift, "drift.schema.json"), refuses(drift | {"more": 1}, "drift.schema.json")
compared = last_line("compare.json")
check(compared, "compare.schema.json"), refuses(compared | {"more": 1}, "compare.schema.json")
assert drift["columns"] and drift["score"] and drift["worst"] == last_line("flights.json")["drift"]["worst"]

# Prometheus's own parser reads the metrics.
families = {family.name: family for family in text_string_to_metric_families(Path("run.prom").read_text())}
sample = families["vaepipe_rows"].samples[0]
assert sample.value == 16000 and sample.labels["job"] == "vaepipe" and sample.labels["command"] == "transform"
assert {sample.labels["column"] for sample in families["vaepipe_missing_rate"].samples} >= {"arr_delay", "carrier"}
refuses({}, "summary.schema.json")
lines = [json.loads(line) for line in Path("epochs.jsonl").read_text().splitlines()]
assert [line["epoch"] for line in lines] == list(range(1, len(metadata["history"]["epochs"]) + 1))
for line in lines:
    check(line, "metrics.schema.json")
refuses(lines[0] | {"lr": "high"}, "metrics.schema.json")
for name in ("of-model.json", "of-data.json", "of-latents.json"):
    inspected = last_line(name)
    check(inspected, "inspect.schema.json"), refuses(inspected | {"more": 1}, "inspect.schema.json")
configuration = re.search(r"```toml\n(.*?)```", (repository / "docs/operations.md").read_text(), re.S)[1]
Path("book.toml").write_text(configuration)
for text in (configuration, Path("printed.toml").read_text()):
    check(tomllib.loads(text), "config.schema.json")
settings = json.loads((repository / "tests/it/settings.json").read_text())
for text in settings["taken"]:
    check(tomllib.loads(text), "config.schema.json")
for text in settings["refused"]:
    refuses(tomllib.loads(text), "config.schema.json")
print("readers: ok")
