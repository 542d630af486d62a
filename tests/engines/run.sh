#!/usr/bin/env bash
# Runs the examples for engines for real: Spark, Ray and Dask with two workers of one core each on loopback, a million rows,
# tasks that fail once and always; a project of dbt, DAGs of Airflow, assets of Dagster. Spark needs Java 17. Installs all of them, about 2.3 GB,
# into virtual environments in the user's cache. Takes about ten minutes, and the time to build the wheel unless WHEEL names one.
# Usage: [WHEEL=FILE] tests/engines/run.sh [ROWS [ENGINE...]]
set -euo pipefail
cd "$(dirname "$0")/../.."

rows="${1:-1000000}"
engines=("${@:2}")
[ $# -gt 1 ] || engines=(spark ray dask dbt airflow dagster)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/vaepipe"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Airflow and Dagster ask for versions of their own.
for environment in engines airflow dagster; do
  [ -x "$cache/$environment/bin/python" ] || python3 -m venv "$cache/$environment"
done
bin="$cache/engines/bin"
"$bin/pip" install --quiet 'pyspark>=4.1,<5' 'ray[data]>=2.55,<3' 'dask[dataframe,distributed]' 'dbt-core>=1.10,<1.12' \
  'dbt-duckdb>=1.9,<2' pyarrow 'pandas<3' maturin
"$cache/airflow/bin/pip" install --quiet 'apache-airflow>=3,<4' pyarrow numpy
"$cache/dagster/bin/pip" install --quiet 'dagster>=1.13,<2' pyarrow numpy
if [ -z "${WHEEL:-}" ]; then
  "$bin/maturin" build --release --manifest-path python/Cargo.toml --out "$work/wheel"
  WHEEL=$(ls "$work"/wheel/*.whl)
fi
for environment in engines airflow dagster; do
  "$cache/$environment/bin/pip" install --quiet --no-deps --force-reinstall "$WHEEL"
done
export PATH="$bin:$PATH"

# Only loopback, and nobody is told. Without the last one Ray takes the address that the machine has elsewhere.
export SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$bin/python" PYTHONWARNINGS=ignore::FutureWarning
export RAY_USAGE_STATS_ENABLED=0 DBT_SEND_ANONYMOUS_USAGE_STATS=false RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
export DAGSTER_DISABLE_TELEMETRY=yes
export PYTHONPATH="$PWD/examples:$PWD/tests/engines"

python tests/engines/rows.py make "$work/lake" "$rows"
vaepipe fit "$work/lake" --exclude id -m "$work/vae.safetensors" --epochs 3 --quiet
# The bare process: what the engines' figures are beside.
start=$(date +%s%N)
vaepipe transform "$work/lake" "$work/bare/" -m "$work/vae.safetensors" --threads 2 --quiet
export BARE=$(( ($(date +%s%N) - start) / 1000000 ))
python tests/engines/rows.py check "$work/lake" "$work/bare"

export AIRFLOW_HOME="$work/airflow" AIRFLOW__CORE__DAGS_FOLDER="$work/dags" AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY=1
mkdir "$work/dags"
cp examples/airflow_dag.py "$work/dags/"

on() {
  local python="$bin/python"
  [ "$1" != dagster ] || python="$cache/dagster/bin/python"
  if [ "$1" = airflow ]; then
    python="$cache/airflow/bin/python"
    "$cache/airflow/bin/airflow" db migrate || return
  fi
  "$python" "tests/engines/on_$1.py" "$work" > "$work/said"
}
# Failures are part of the tests: what engines log of them is shown if a test fails.
for engine in "${engines[@]}"; do
  on "$engine" > "$work/log" 2>&1 || { tail -n 200 "$work/log" "$work/said"; exit 1; }
  grep -i "^$engine: " "$work/said"
done
