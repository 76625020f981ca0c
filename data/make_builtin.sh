#!/bin/sh
# Rebuilds data/persona, the persona that comes with homer, from data/sample_script.csv and
# data/encoder. Run it anywhere; it needs cargo, and a few minutes.
set -eu
cd "$(dirname "$0")/.."
cargo build --release
homer=${CARGO_TARGET_DIR:-target}/release/homer

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$homer" -C "$work" prepare data/sample_script.csv
"$homer" -C "$work" train-bi --encoder built-in --precision f16
"$homer" -C "$work" train-cross --precision f16
"$homer" -C "$work" build-index

# Only what answering needs: models, how to use the cross-encoder, index.
new=$work/persona
mkdir -p "$new/runs/bi-encoder" "$new/runs/cross-encoder"
cp -R "$work/runs/bi-encoder/model" "$new/runs/bi-encoder/"
cp -R "$work/runs/cross-encoder/model" "$work/runs/cross-encoder/settings.json" "$new/runs/cross-encoder/"
cp -R "$work/runs/index" "$new/runs/"
rm -rf data/persona
cp -R "$new" data/persona

# What a clone can carry, in KiB.
size=$(du -sk data/encoder data/persona | awk '{ sum += $1 } END { print sum }')
echo "data/encoder and data/persona: $size KiB"
test "$size" -le 40960 || { echo "more than 40 MiB: too much for a repository" >&2; exit 1; }
