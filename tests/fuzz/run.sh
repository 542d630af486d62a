#!/usr/bin/env bash
# Searches for bytes that the model reader, the Arrow reader and the predicate do not refuse in order: for SECONDS each
# (600 unless said), from sound ones on. Needs a nightly toolchain and cargo-fuzz; what it finds is in tests/fuzz/artifacts.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-600}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(model stream predicate)

seeds=$(mktemp -d)
TMPDIR=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d)
export TMPDIR
trap 'rm -rf "$seeds" "$TMPDIR"' EXIT
VAEPIPE_SEEDS="$seeds" cargo test --release --test it -- --ignored --exact mutations::strange_seeds_are_written

# Its own folder of artefacts: another compiler, and every crate with a sanitizer.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
for target in "${targets[@]}"; do
  # A leak that is none: what a process keeps until its end.
  ASAN_OPTIONS=detect_leaks=0 RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1 cargo +nightly fuzz run --fuzz-dir tests/fuzz \
    "$target" "$seeds/$target" -- -max_total_time="$seconds" -rss_limit_mb=4096 -malloc_limit_mb=2048 -timeout=20 \
    -print_final_stats=1
done
