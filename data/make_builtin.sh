#!/usr/bin/env bash
# Makes the built-in encoder and the built-in persona again, from all-MiniLM-L6-v2, the sample
# script beside this file, and the sentences of WordNet 3.0 (its data.* files: in Debian, the package
# wordnet-base).
#
#   data/make_builtin.sh path/to/all-MiniLM-L6-v2 path/to/wordnet    both
#   data/make_builtin.sh                  the persona alone, with the encoder that is here
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
homer="${CARGO_TARGET_DIR:-$PWD/target}/release/homer"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -eq 2 ]; then
    # All example sentences and a third of the definitions, each a scene of its own.
    sed -n 's/^[0-9]\{8\} .* | //p' "$2"/data.{noun,verb,adj,adv} | tr ';' '\n' |
        sed 's/^ *//; s/ *$//' | awk '/^"/ || NR % 3 == 0' | tr -d '"' |
        awk 'NF > 1 && !seen[$0]++ { print; print "" }' > "$work/wordnet.txt"
    "$homer" distill data/sample_script.csv "$work/wordnet.txt" --encoder "$1" --out "$work/encoder" \
        --layers 3 --intermediate 1024 --vocabulary 9500 --epochs 5
    mkdir -p data/encoder
    cp -r "$work/encoder/." data/encoder/
elif [ $# -ne 0 ]; then
    echo "give all-MiniLM-L6-v2 and WordNet's folder, or nothing" >&2
    exit 2
fi

"$homer" -C "$work" prepare data/sample_script.csv
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
