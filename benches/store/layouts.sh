#!/usr/bin/env bash
# The thousand personas that `store -- load … 1000 1000` has put into an empty database, laid out in three ways: each
# in a table of its own as homer has them, all in one table with an index on the persona, and all in a
# list-partitioned table. Takes psql's arguments that name the database; says what a search takes in each.
set -euo pipefail
psql -q "$@" <<'SQL'
CREATE TABLE shared (build bigint NOT NULL, row bigint, text text, exchanges bigint[], vector halfvec(384));
ALTER TABLE shared ALTER COLUMN vector SET STORAGE PLAIN;
CREATE TABLE parted (LIKE shared) PARTITION BY LIST (build);
DO $$ DECLARE b bigint; BEGIN
  FOR b IN SELECT build FROM homer.personas WHERE replies = 1000 ORDER BY build LOOP
    EXECUTE format('INSERT INTO shared SELECT %s, row, text, exchanges, vector FROM homer.replies_%s', b, b);
    EXECUTE format('CREATE TABLE parted_%s PARTITION OF parted FOR VALUES IN (%s)', b, b);
    EXECUTE format('ALTER TABLE parted_%s ALTER COLUMN vector SET STORAGE PLAIN', b);
    EXECUTE format('INSERT INTO parted_%s SELECT %s, row, text, exchanges, vector FROM homer.replies_%s', b, b, b);
  END LOOP;
END $$;
CREATE INDEX ON shared (build);
ANALYZE shared;
ANALYZE parted;
SQL
script=$(mktemp)
trap 'rm -f "$script"' EXIT
for _ in 1 2 3; do
for where in 'homer.replies_:n WHERE true' 'shared WHERE build = :n' 'parted WHERE build = :n'; do
    cat >"$script" <<SQL
\set n random(1, 1000)
SELECT row, text, exchanges, vector FROM $where
ORDER BY 0 + (vector <#> (SELECT vector FROM homer.replies_1 WHERE row = 0)), row LIMIT 38;
SQL
    echo "$where: $(pgbench "$@" -n -T 5 -f "$script" 2>/dev/null | grep 'latency average')"
done
done
