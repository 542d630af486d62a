#!/usr/bin/env bash
# Counts what one training step and one scored batch ask of a CUDA device, without a device and without a toolkit:
#   benches/launches/count.sh [ROWS BATCH COLUMNS FIT-FLAGS...]
# Builds the program with `--features cuda` against driver.c, which counts and computes nothing, fits twice and
# transforms twice, and shows the difference: what further steps, and further rows, ask for.
set -euo pipefail
cd "$(dirname "$0")/../.."
rows=${1:-65536} batch=${2:-4096} columns=${3:-784}
shift $(($# < 3 ? $# : 3))

target="${CARGO_TARGET_DIR:-$PWD/target}"
home="$target/launches"
mkdir -p "$home"/{bin,include,lib64}
touch "$home/include/cuda.h"
# A stand-in for nvcc: it makes empty kernels, and an empty archive.
cat > "$home/bin/nvcc" <<'NVCC'
#!/bin/sh
[ "$1" = --version ] && printf '\n\n\nCuda compilation tools, release 13.0, V13.0.0\n' && exit
while [ $# -gt 1 ]; do
  case $1 in
    -o) case $2 in *.a) printf '!<arch>\n' > "$2" ;; *) : > "$2" ;; esac ;;
    --output-directory) folder=$2 ;;
  esac
  shift
done
[ -z "$folder" ] || : > "$folder/$(basename "$1" .cu).ptx"
NVCC
chmod +x "$home/bin/nvcc"

# The libraries: the functions of driver.c, and all others, which do nothing and succeed.
cargo fetch --locked --quiet
registry=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/ | head -1)
here=$(grep -oE '\b(cu|cublas|curand)[A-Z][A-Za-z0-9_]*\(' benches/launches/driver.c | sort -u)
others() {
  grep -rhoE '\bfn [A-Za-z_0-9]+\(' "$1" | sed 's/fn //' | grep -E "$2" | sort -u | grep -vxF "$here" |
    sed 's/(//; s/.*/int &(void) { return 0; }/' || true
}
{
  cat benches/launches/driver.c
  for module in driver cublas cublaslt curand nvrtc; do others "$registry"/cudarc-0.19.*/src/$module/sys '^(cu|nvrtc)'; done |
    sort -u
  others "$registry"/candle-kernels-0.11.*/src/ffi.rs '.'
} > "$home/all.c"
cc -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$home/lib64/libcuda.so.1" "$home/all.c" -lpthread
ln -sfn libcuda.so.1 "$home/lib64/libcuda.so"
for library in nvrtc curand cublas cublasLt cudart; do
  cc -shared -fPIC -Wl,-soname,lib$library.so -o "$home/lib64/lib$library.so" -x c /dev/null -L"$home/lib64" -lcuda
done

export CUDA_HOME="$home" CUDA_PATH="$home" NVCC="$home/bin/nvcc" PATH="$home/bin:$PATH" CUDA_COMPUTE_CAP=80
export LIBRARY_PATH="$home/lib64" LD_LIBRARY_PATH="$home/lib64"
cargo build --locked --release --features cuda --target-dir "$target" ${CARGO_FLAGS:-}
vaepipe="$target/release/vaepipe"
python3 benches/launches/count.py "$vaepipe" "$home" "$rows" "$batch" "$columns" "$@"
