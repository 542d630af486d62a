"""The project of dbt in examples/dbt. Usage: on_dbt.py WORK_DIR, by run.sh"""

import pathlib
import shutil
import subprocess
import sys

import duckdb
import pyarrow.parquet as pq

import rows
import vaepipe

work = pathlib.Path(sys.argv[1])
project = work / "dbt"
shutil.copytree(pathlib.Path(__file__).parents[2] / "examples/dbt", project)


def run(**variables):
    ran = subprocess.run(["dbt", "run", "--vars", str(variables)], cwd=project, capture_output=True, text=True)
    return ran.returncode, ran.stdout


def scored():
    with duckdb.connect(str(project / "vaepipe.duckdb"), read_only=True) as connection:
        return connection.sql("select * from scored").to_arrow_table()


# The first run fits and scores; the second scores with the same model.
sample = str(pathlib.Path(__file__).parents[2] / "sample_data/flights.parquet")
for again in (False, True):
    code, said = run(input=sample)
    assert code == 0, said
    model = vaepipe.Model.load(project / "vae.safetensors")
    found, expected = scored(), model.transform(pq.read_table(sample))
    assert found.column_names == expected.column_names
    for name in ("z_0", "recon_error", "anomaly_score", "p_value", "is_anomaly", "tailnum"):
        assert found[name].to_pylist() == expected[name].to_pylist(), name
    if again:
        assert (project / "vae.safetensors").stat() == written, "the model is fitted twice"
    written = (project / "vae.safetensors").stat()

# Many rows: every id once, the numbers of the bare process.
code, said = run(input=str(work / "lake/*.parquet"), vae=str(work / "vae.safetensors"))
assert code == 0, said
pq.write_table(scored(), work / "by-dbt.parquet")
rows.check(work / "lake", work / "by-dbt.parquet", work / "bare")

# A run that fails says why, and keeps the table.
code, said = run(input=sample, vae=str(work / "vae.safetensors"))
assert code == 1 and 'needs column "x0"' in said, said
assert scored().num_rows == pq.read_table(work / "lake").num_rows
print("dbt: fitted once, every id once, failed")
