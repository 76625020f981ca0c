#!/usr/bin/env bash
# See README.md. PYTHON names the interpreter of the environment; HOMER the program, else the release
# build.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
HOMER=${HOMER:-$root/target/release/homer}
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
# The persona as Python reads it: the same weights in floats, and the same vectors.
export PERSONA=$work/persona
mkdir -p "$PERSONA/runs/bi-encoder"
cp -r "$root/data/persona/index" "$PERSONA/runs/index"
"$HOMER" shrink "$root/data/encoder" --precision f32 --texts "$root/data/sample_script.csv" \
    --out "$PERSONA/runs/bi-encoder/model" 2>/dev/null
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT

wait_for() { for _ in $(seq 600); do curl -sf -o /dev/null "$1" && return; sleep 0.1; done; echo "no answer from $1" >&2; exit 1; }
ask() { wrk -t2 -c"${2:-50}" -d"${3:-10s}" -s ask.lua "$1/v1/chat/completions" | tail -1; }

"$HOMER" -C "$work" serve --no-rerank --listen 127.0.0.1:18080 2>"$work/log" &
server=$!
wait_for http://127.0.0.1:18080/health
if [ -n "${FLASK:-1}" ]; then
    # These make an old OpenBLAS safe and a current numpy slow.
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$(dirname "$PYTHON")/gunicorn" -w 2 -b 127.0.0.1:18081 --keep-alive 60 -k gthread --threads 1 flask_app:app 2>"$work/flask" &
    for _ in $(seq 300); do
        curl -sf -o /dev/null -H 'Content-Type: application/json' -d '{"messages": [{"content": "Hm."}]}' \
            http://127.0.0.1:18081/v1/chat/completions && break
        sleep 0.2
    done
fi
for round in 1 2 3 4 5; do
    echo "homer, round $round: $(ask http://127.0.0.1:18080)"
    [ -n "${FLASK:-1}" ] && echo "Flask, round $round: $(ask http://127.0.0.1:18081)"
done
[ -n "${FLASK:-1}" ] && "$PYTHON" embeddings.py http://127.0.0.1:18080 "$PERSONA"
./soak.sh http://127.0.0.1:18080 $server
