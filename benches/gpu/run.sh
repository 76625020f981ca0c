#!/usr/bin/env bash
# Measures homer on this machine's NVIDIA card: parity with the CPU, and speed beside sentence-transformers in bf16 on
# the same card and beside the CPU. It takes a Linux with NVIDIA's driver and a Python with torch and
# sentence-transformers; no network, no Rust. One table, all figures as JSON, within 9 minutes.
#
#   benches/gpu/run.sh --homer target/gpu/release/homer
#   benches/gpu/run.sh --homer target/release/homer --device cpu --quick     (the same without a card, small)
#   benches/gpu/run.sh --homer target/gpu/release/homer --bundle homer.tgz   (all that it takes, for another machine)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

previous=
for argument; do
    [ "$previous" = --homer ] && homer=$argument
    [ "$previous" = --bundle ] && bundle=$argument
    previous=$argument
done
if [ -n "${bundle:-}" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir -p "$folder/homer-gpu/benches/compare" "$folder/homer-gpu/data"
    cp "${homer:?--homer is missing}" "$folder/homer-gpu/homer"
    cp -r "$here" "$folder/homer-gpu/benches/gpu"
    cp -r "$here"/../compare/*.py "$here/../compare/python" "$folder/homer-gpu/benches/compare"
    cp -r "$here/../../data/encoder" "$here/../../data/sample_script.csv" "$folder/homer-gpu/data"
    tar -C "$folder" --exclude __pycache__ -czf "$bundle" homer-gpu
    size=$(stat -c %s "$bundle")
    echo "$bundle: $((size / 1000000)) MB; there: homer-gpu/benches/gpu/run.sh --homer homer-gpu/homer"
    [ "$size" -lt 64000000 ] || { echo "that is more than 64 MB" >&2; exit 1; }
    exit
fi

# PyTorch brings NVIDIA's libraries with it; a container may have its driver in a folder of its own.
libraries=$("$python" -c '
import glob, importlib.util, os
spec = importlib.util.find_spec("torch")
if spec is None:
    raise SystemExit("torch is missing: pip install torch sentence-transformers")
torch = os.path.dirname(spec.origin)
driver = glob.glob("/usr/local/nvidia/lib*/")
print(":".join([*glob.glob(os.path.dirname(torch) + "/nvidia/*/lib"), torch + "/lib", *driver]))')
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
exec timeout 540 "$python" "$here/run.py" "$@"
