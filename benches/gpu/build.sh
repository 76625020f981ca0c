#!/usr/bin/env bash
# Builds homer for NVIDIA GPUs, on a Linux machine (x86-64) that has Rust, a C++ compiler and Python, but neither a
# card nor a driver nor CUDA: nvcc comes from PyPI, and NVIDIA's libraries are looked for only when homer is told
# to compute on a GPU. So the one binary starts everywhere.
#
#   benches/gpu/build.sh         → target/gpu/release/homer
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/gpu
tools=$CARGO_TARGET_DIR/cuda
mkdir -p "$tools/lib64"

for program in cargo cc c++ python3; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "this is for Linux on x86-64" >&2; exit 1; }

# nvcc, and the headers that candle's kernels include.
if ! [ -e "$tools/venv/done" ]; then
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --no-deps "nvidia-cuda-nvcc==13.0.*" "nvidia-nvvm==13.0.*" \
        "nvidia-cuda-crt==13.0.*" "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cccl==13.0.*" nvidia-curand
    touch "$tools/venv/done"
fi
HOMER_CUDA=$(echo "$tools"/venv/lib/python3*/site-packages/nvidia/cu13)
export HOMER_CUDA

# What homer is linked with instead of NVIDIA's libraries: a function for each that the bindings declare. One
# library has them all, the others are empty.
bindings=$(cargo metadata --format-version 1 --features cuda --filter-platform x86_64-unknown-linux-gnu |
    python3 -c 'import json, sys
print(*[package["manifest_path"] for package in json.load(sys.stdin)["packages"] if package["name"] == "cudarc"])')
bindings=$(dirname "$bindings")/src
for library in driver cublas cublaslt curand nvrtc; do
    grep -ohE '\bfn (cu|nvrtc)[A-Za-z0-9_]+' "$bindings/$library/sys/mod.rs"
done | sort -u | sed 's/fn \(.*\)/STAND_IN(\1)/' >"$tools/functions.h"
cc -O2 -fPIC -c -I "$tools" "$here/stand_in.c" -o "$tools/stand_in.o"
rm -f "$tools"/lib64/*.a
ar qcD "$tools/lib64/libcuda.a" "$tools/stand_in.o"
for library in cublas cublasLt curand nvrtc cudart; do
    ar qcD "$tools/lib64/lib$library.a"
done

# Kernels for compute capability 8.0, as PTX: the driver compiles them for this card and all later ones.
export CUDA_HOME=$tools NVCC=$here/nvcc PATH=$here:$PATH CUDA_COMPUTE_CAP=80
# candle keeps a copy of its kernels wherever it uses them; the linker that comes with Rust 1.90 and later leaves
# one of each. That, and one of every function that is there twice, is nine megabytes. What Cargo.toml leaves
# unoptimised, for the sake of a quick build, is optimised for size here.
small=()
for package in serde-saphyr granit-parser $(sed -n 's/^\([a-z0-9_-]*\) = { opt-level = 0 }$/\1/p' Cargo.toml); do
    small+=(--config "profile.release.package.$package.opt-level=\"z\"")
done
cargo rustc "${small[@]}" --release --features cuda --bin homer -- \
    -C link-arg=-Wl,--icf=all,--ignore-data-address-equality

homer=$CARGO_TARGET_DIR/release/homer
if readelf -d "$homer" | grep -E 'NEEDED.*(libcu|libnv)'; then
    echo "homer would not start without these libraries" >&2
    exit 1
fi
"$homer" --version
ls -l "$homer"
