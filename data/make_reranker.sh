#!/usr/bin/env bash
# Makes the general reranker in data/reranker again, from all-MiniLM-L6-v2, the judgments beside this
# file, and the public dialogue that they and the exchanges are from (SOURCE.csv.xz with the columns
# scene, speaker, text; see reranker_data.py for which).
#
#   data/make_reranker.sh path/to/all-MiniLM-L6-v2 path/to/dialogue
#
# The first step takes an hour of one core. The second goes through 1,118,720 lists and exchanges: 3.2 minutes on an H100;
# two cores, which do 20 to 30 a second, would take half a day. For a card build homer as benches/gpu/build.sh does, name
# that program in HOMER, and say HOMER_GPU=--gpu. The third takes two cores 25 minutes. What a larger reader makes of the candidates is in data/judged
# (teacher.py made it). A step that was stopped goes on where it was.
# Without a bi-encoder or an index of its own, each training is judged by the encoder that comes with homer.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 2 ]; then
    echo "give all-MiniLM-L6-v2 and the folder with the dialogue" >&2
    exit 2
fi
python3 -c 'import numpy' || { echo "this takes Python's numpy: pip install numpy" >&2; exit 2; }
[ -n "${HOMER:-}" ] || cargo build --release
encoder=$(realpath "$1")
homer="${HOMER:-${CARGO_TARGET_DIR:-$PWD/target}/release/homer}"
work="${HOMER_WORK:-$(mktemp -d)}"
echo "working in $work (name it in HOMER_WORK to go on with it)" >&2

[ -f "$work/told_weighed.jsonl" ] ||
    python3 data/reranker_data.py "$2" data/judged/general.tsv "$work"

# Runs a training, goes on with one that was stopped, or leaves one that is finished.
train() {
    if [ -f "$1/runs/cross-encoder/done.json" ]; then
        return
    elif [ -d "$1/runs/cross-encoder/checkpoint" ]; then
        "$homer" -C "$1" train-cross --resume
    else
        "$homer" -C "$@"
    fi
}

# 1. To tell the next turn of dialogue from others.
mkdir -p "$work/turns/data" "$work/answers/data"
for stage in turns answers; do
    ln -sfn "$work/data/exchanges" "$work/$stage/data/exchanges"
done
train "$work/turns" train-cross --encoder "$encoder" --negatives 2 --batch-size 24 --max-length 48 \
    --lr 1e-4 --steps 4200 --evaluate-every 600 --patience 20 --warmup 0.05

# 2. Fewer tokens, then: to tell good answers from others, as readers graded them and a larger reader would. Without
# dropout, for with it it agreed with its teacher no better on lists that it had not seen than on its own.
[ -d "$work/small" ] || {
    rm -rf "$work/less"
    "$homer" -C "$work/turns" shrink "$work/turns/runs/cross-encoder/model" --vocabulary 20000 \
        --precision f16 --out "$work/less"
    sed -i 's/dropout_prob": 0.1/dropout_prob": 0.0/' "$work/less/config.json"
    mv "$work/less" "$work/small"
}
train "$work/answers" train-cross --encoder "$work/small" --judged "$work/judged.jsonl" --negatives 2 \
    --batch-size 128 --chunk-size 128 --lr 2e-4 --steps 8740 --evaluate-every 4371 --patience 20 \
    --warmup 0.03 --precision f16 ${HOMER_GPU:-}

model=$work/model
rm -rf "$model"
cp -r "$work/answers/runs/cross-encoder/model" "$model"
sed -i 's/dropout_prob": 0.0/dropout_prob": 0.1/' "$model/config.json"

# 3. To read what a line was written to answer, too, where that is said. The model that comes of it is worse at lines that come
# without: what it has learned beside the other is kept as a difference, and added where it is needed. (In 25 minutes of two
# cores; what comes with homer saw others of the 22,000.)
mkdir -p "$work/told/data"
ln -sfn "$work/data/exchanges" "$work/told/data/exchanges"
train "$work/told" train-cross --encoder "$work/answers/runs/cross-encoder/model" --judged "$work/told.jsonl" \
    --negatives 2 --batch-size 32 --lr 8e-5 --steps 1207 --evaluate-every 1207 --patience 20 --warmup 0.03 \
    --precision f16
told=$work/told/runs/cross-encoder/model
python3 data/difference.py "$model/model.safetensors" "$told/model.safetensors" "$work/written.safetensors"

# 4. The weights of what else a reader minds, fitted on 814 of the lists that were held out: those whose candidates no
# reranker had chosen. Nothing is learned here but the weights.
# Those for lines that are told with what they answered, on the 450 lists of such that were held out.
weigh() {
    mkdir -p "$work/$1/data"
    ln -sfn "$work/data/exchanges" "$work/$1/data/exchanges"
    train "$work/$1" train-cross --encoder "$2" \
        --judged "$work/$1.jsonl" --negatives 2 --batch-size 4 --lr 1e-9 --steps 1 --evaluate-every 1
}
weigh weighed "$model"
weigh told_weighed "$told"

# 5. Eight bits.
rm -rf "$work/reranker"
"$homer" -C "$work/answers" shrink "$model" --precision i8 --out "$work/reranker"
cp "$work/weighed/runs/cross-encoder/model/ranker.json" "$work/reranker/"
cp "$work/told_weighed/runs/cross-encoder/model/ranker.json" "$work/reranker/written.json"
cp "$work/written.safetensors" "$work/reranker/"
cp "$work"/reranker/{config.json,model.safetensors,ranker.json,tokenizer.json,tokenizer_config.json} "$work"/reranker/written.* \
    data/reranker/

# 6. The sieve, by what the reranker, which is in the program now, makes of the scripts that were written for homer. (What
# comes with homer saw 101 messages, when general.tsv was shorter.)
cargo build --release
homer="${CARGO_TARGET_DIR:-$PWD/target}/release/homer"
mkdir -p "$work/scripts"
"$homer" -C "$work/scripts" prepare data/judged/scripts/*.csv --everyone
"$homer" -C "$work/scripts" build-index
cut -f 1 data/judged/general.tsv | awk 'NR % 137 == 2' >"$work/messages.txt"
"$homer" -C "$work/scripts" ask --file "$work/messages.txt" --json --explain --top-k 1200 >"$work/read.jsonl"
python3 data/sieve.py "$work/read.jsonl" >"$work/sieve.json"
cp "$work/sieve.json" data/reranker/
