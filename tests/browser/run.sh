#!/usr/bin/env bash
# The page in a real browser. Needs Node and a registry of npm; installs Chromium where there is none.
# HOMER names the program to test; without it, the debug build is made.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v node >/dev/null; then
    echo "node is missing: the browser tests need Node 20 or later" >&2
    exit 1
fi
if [ -z "${CHROMIUM:-}" ]; then
    CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
    if [ -z "$CHROMIUM" ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
        CHROMIUM=$(command -v chromium)
    fi
fi
if [ -z "${HOMER:-}" ]; then
    cargo build --quiet
    HOMER=$(cargo metadata --format-version 1 --no-deps | node -p 'JSON.parse(fs.readFileSync(0)).target_directory')/debug/homer
fi
export CHROMIUM HOMER
npm ci --silent --no-audit --no-fund
timeout 200 npm test --silent
