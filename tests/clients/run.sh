#!/usr/bin/env bash
# Clients that nobody here wrote, against a server of the built-in persona. HOMER names the program to
# test; without it, the debug build is made. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
if [ -z "${HOMER:-}" ]; then
    cargo build --quiet
    HOMER=$target/debug/homer
fi
work=$target/clients
mkdir -p "$work"
if [ ! -x "$work/venv/bin/st" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet openai cohere langchain-community schemathesis
fi
if [ ! -d "$work/node_modules/openai" ]; then
    npm install --silent --no-audit --no-fund --prefix "$work" openai
fi

log=$(mktemp)
# A folder of its own, where feedback may lie.
project=$(mktemp -d)
"$HOMER" -C "$project" serve --listen 127.0.0.1:0 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$log" "$project"' EXIT
for _ in $(seq 100); do
    url=$(sed -n 's/^listening on \(http[^ ]*\).*/\1/p' "$log")
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { cat "$log" >&2; exit 1; }

"$work/venv/bin/python" "$here/openai_client.py" "$url"
(cd "$work" && node "$here/openai_client.mjs" "$url")
"$work/venv/bin/python" "$here/rerank_client.py" "$url"
# In the work folder: it keeps what it found where it runs.
(cd "$work" && "$work/venv/bin/st" --config-file "$here/schemathesis.toml" run --checks all --max-examples "${EXAMPLES:-100}" --seed 1 "$url/openapi.json")
