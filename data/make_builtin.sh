#!/usr/bin/env bash
# Makes the built-in encoder and the built-in persona again, from all-MiniLM-L6-v2, the sample script (the encoder) and
# the talk with strangers (the persona) beside this file, and the sentences of WordNet 3.0 (its data.* files: in Debian,
# the package wordnet-base).
#
#   data/make_builtin.sh path/to/all-MiniLM-L6-v2 path/to/wordnet    both
#   data/make_builtin.sh                  the persona's index alone, with the encoder that is here
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
    "$homer" -C "$work" shrink "$work/encoder" --out "$work/small" --texts data/sample_script.csv
    mkdir -p data/encoder
    cp -r "$work/small/." data/encoder/
elif [ $# -ne 0 ]; then
    echo "give all-MiniLM-L6-v2 and WordNet's folder, or nothing" >&2
    exit 2
fi

# The lines of his sitcom are spoken to his family, in scenes that a stranger does not know: four in ten are no answer.
"$homer" -C "$work" prepare data/talk.csv
# The program that was built still holds the encoder that was there before.
mkdir -p "$work/runs/bi-encoder"
cp -r data/encoder "$work/runs/bi-encoder/model"
# Every answer in the talk was written for its question: what is asked is found by what was asked.
"$homer" -C "$work" build-index --query-weight 20 --precision i8
rm -rf data/persona
mkdir -p data/persona
cp -r "$work/runs/index" data/persona/index
