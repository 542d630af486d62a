#!/usr/bin/env python3
"""Runs the README's Python on the file its main command wrote, and checks that file and its model from outside.

    readers.py REPOSITORY FOLDER

FOLDER holds scored.parquet, digits.safetensors and summary.json, made by .ci/run.
Needs: pip install polars duckdb pandas pyarrow jsonschema
"""
import json, os, re, struct, sys
from pathlib import Path

import duckdb, jsonschema, pandas, polars, pyarrow.parquet as pq

repository, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
os.chdir(folder)

# Three other readers see the carried columns unchanged and the new ones with the same values.
before = pq.read_table(repository / "sample_data/digits.parquet")
after = pq.read_table("scored.parquet")
assert after.select(before.column_names).equals(before), "carried columns changed"
new = [name for name in after.column_names if name not in before.column_names]
assert new[-2:] == ["recon_error", "anomaly_score"] and all(name.startswith("z_") for name in new[:-2]), new
by_polars, by_pandas = polars.read_parquet("scored.parquet"), pandas.read_parquet("scored.parquet")
by_duckdb = duckdb.sql("select * from 'scored.parquet'").arrow()
by_duckdb = by_duckdb.read_all() if hasattr(by_duckdb, "read_all") else by_duckdb
for name in new:
    expected = after[name].to_pylist()
    assert by_polars[name].to_list() == expected and by_pandas[name].tolist() == expected, name
    assert by_duckdb[name].to_pylist() == expected, name

# The README's own snippets.
snippets = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.S)
assert len(snippets) >= 3, "the README shows polars, DuckDB and pandas"
for snippet in snippets:
    exec(compile(snippet, "README.md", "exec"), {})

# The model's metadata and the summary keep to their schemas.
def check(value, schema):
    jsonschema.Draft202012Validator(json.loads((repository / "schemas" / schema).read_text())).validate(value)

model = Path("digits.safetensors").read_bytes()
header = json.loads(model[8 : 8 + struct.unpack("<Q", model[:8])[0]])
check(json.loads(header["__metadata__"]["vaepipe"]), "model.schema.json")
summary = json.loads(Path("summary.json").read_text().splitlines()[-1])
check(summary, "summary.schema.json"), check(summary["fit"], "summary.schema.json")
print("readers: ok")
