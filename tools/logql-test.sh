#!/bin/sh
# Reads every query of a folder of JSON files ([{"name", "query"}, ...]) with Grafana's LogQL grammar.
#
#   tools/logql-test.sh FOLDER
set -eu
[ $# = 1 ] || { echo "usage: tools/logql-test.sh FOLDER" >&2; exit 2; }
LOGQL_QUERIES=$(cd "$1" && pwd)
export LOGQL_QUERIES
cd "$(dirname "$0")/../tests/logql"
# npm ci is needed once, and again when the lock file changes; one of several test workers does it.
(
    flock 9
    if ! cmp -s package-lock.json node_modules/.bgmon-lock; then
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
        cp package-lock.json node_modules/.bgmon-lock
    fi
) 9<package.json
exec node --test
