#!/usr/bin/env bash
# Runs examples/spark_transform.py and examples/ray_transform.py for real: two executors of one core each on loopback, a
# million rows, children that fail once and always. Needs Java 17 for Spark. Installs both engines, about 1.3 GB, into a
# virtual environment of its own in the user's cache. Takes about five minutes.
# Usage: tests/engines/run.sh [ROWS]
set -euo pipefail
cd "$(dirname "$0")/../.."

rows="${1:-1000000}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/vaepipe"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --release
export PATH="$CARGO_TARGET_DIR/release:$PATH"
python="$cache/engines/bin/python"
[ -x "$python" ] || python3 -m venv "$cache/engines"
"$python" -m pip install --quiet 'pyspark>=4.1,<5' 'ray[data]>=2.50,<3' pyarrow 'pandas<3'

# Only loopback, and nobody is told. Without the last one Ray takes the address that the machine has elsewhere.
export SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$python" PYTHONWARNINGS=ignore::FutureWarning
export RAY_USAGE_STATS_ENABLED=0 RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
export PYTHONPATH="$PWD/examples:$PWD/tests/engines"

"$python" tests/engines/rows.py make "$work/lake" "$rows"
vaepipe fit "$work/lake" --exclude id -m "$work/vae.safetensors" --epochs 3 --quiet
# The bare process: what the engines' figures are beside.
start=$(date +%s%N)
vaepipe transform "$work/lake" "$work/bare/" -m "$work/vae.safetensors" --threads 2 --quiet
export BARE=$(( ($(date +%s%N) - start) / 1000000 ))
"$python" tests/engines/rows.py check "$work/lake" "$work/bare"

# Children that are vaepipe, but: one fails the first time, one always.
for child in once always; do
  cat > "$work/$child" <<CHILD
#!/bin/sh
if [ "\$1" = transform ] && { [ $child = always ] || mkdir "$work/failed" 2> /dev/null; }; then
  head -c 100000 > /dev/null
  echo "no luck, $child" >&2
  exit 9
fi
exec vaepipe "\$@"
CHILD
  chmod +x "$work/$child"
done

for engine in spark ray; do
  rm -rf "$work/failed"
  "$python" "tests/engines/on_$engine.py" "$work"
done
