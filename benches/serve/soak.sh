#!/usr/bin/env bash
# 200,000 questions in ten parts, and the server's memory after each: soak.sh URL PID
set -euo pipefail
cd "$(dirname "$0")"
counted() { curl -s "$1/metrics" | sed -n 's/^homer_http_requests_total{route="\/v1\/chat\/completions",status="200"} //p'; }
total=0
echo "0 requests: $(awk '/VmRSS/ {print int($2/1024)}' "/proc/$2/status") MB"
while [ "$total" -lt 200000 ]; do
    part=$((total / 20000 + 1))
    while [ "$total" -lt $((part * 20000)) ]; do
        wrk -t2 -c50 -d2s -s ask.lua "$1/v1/chat/completions" >/dev/null
        total=$(counted "$1")
    done
    echo "$total requests: $(awk '/VmRSS/ {print int($2/1024)}' "/proc/$2/status") MB"
done
