#!/bin/sh
# npm run sim -- [--seed N] [--seeds N] [--budget S] [--jobs N] [--nightly] [--shrink] [--json]
# The cluster's simulator: tests/sim/. Without arguments 1,000 seeds; one seed prints what happened in it.
set -eu
cd "$(dirname "$0")/.."
exec node_modules/.bin/node --disable-warning=ExperimentalWarning tests/sim/main.ts "$@"
