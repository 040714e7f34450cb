#!/bin/sh
# npm run check: types, lint, format, tests. All of them run even if one fails, so that one run tells
# everything. --no-tests leaves the tests out.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
PATH=$PWD/node_modules/.bin:$PATH
export PATH
status=0

step() {
  name=$1
  shift
  if "$@"; then echo "check: $name ok" >&2; else
    echo "check: $name FAILED" >&2
    status=1
  fi
}
types() { tsc && { [ ! -e hub/console/tsconfig.json ] || tsc -p hub/console; }; }

step types types
step lint oxlint --deny-warnings
step format oxfmt --check .
[ "${1-}" = --no-tests ] || step tests sh tools/test.sh
exit "$status"
