#!/bin/sh
# Makes the golden files of the present model format, v1: once, when the format is released, and never again.
#
#     tests/golden/make.sh target/release/vaepipe
#
# tests/it/golden.rs reads the model with every later version, and compares what it gives with the rows.
set -eu
vaepipe=$(realpath "$1")
cd "$(dirname "$0")/../.."
"$vaepipe" fit sample_data/flights.parquet -m tests/golden/v1.safetensors --hidden 16 --latent-dim 2 --epochs 3 \
  --sample 2000 --exclude tailnum --max-categories 16 --force
"$vaepipe" transform sample_data/flights.parquet tests/golden/v1.parquet -m tests/golden/v1.safetensors \
  --where "month = 1 AND day = 1" --keep flight --score all --force
