#!/usr/bin/env bash
# Makes the built-in encoder and the built-in persona again, from all-MiniLM-L6-v2 and the sample
# script beside this file.
#
#   data/make_builtin.sh path/to/all-MiniLM-L6-v2     both
#   data/make_builtin.sh                              the persona alone, with the encoder that is here
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
homer="$PWD/target/release/homer"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -gt 0 ]; then
    "$homer" distill data/sample_script.csv --encoder "$1" --out "$work/encoder" \
        --layers 2 --vocabulary 10000 --epochs 8
    mkdir -p data/encoder
    cp -r "$work/encoder/." data/encoder/
fi

# Strangers ask out of the blue: on validation, queries without context are answered better here.
"$homer" -C "$work" prepare data/sample_script.csv --context-turns 0
"$homer" -C "$work" train-bi --encoder built-in --precision f16
"$homer" -C "$work" train-cross --precision f16
"$homer" -C "$work" build-index
"$homer" -C "$work" eval

# Only what answering needs; the cross-encoder only where reranking helps.
runs=data/persona/runs
rm -rf "$runs"
mkdir -p "$runs/bi-encoder" data/pictures
cp -r "$work/runs/bi-encoder/model" "$runs/bi-encoder/model"
cp -r "$work/runs/index" "$runs/index"
if grep -q '"rerank": true' "$work/runs/cross-encoder/reranking.json"; then
    mkdir -p "$runs/cross-encoder"
    cp -r "$work/runs/cross-encoder/model" "$work/runs/cross-encoder/reranking.json" "$runs/cross-encoder/"
fi
cp "$work/runs/bi-encoder/loss.png" "$work/runs/eval.png" data/pictures/
