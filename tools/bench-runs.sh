#!/bin/sh
# npm run bench:runs: runs of workflows through one hub, in about six minutes; beside Restate where
# BENCH_RESTATE_DIR names it (bench/runs.ts). Figures are only comparable on one quiet machine.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
exec node_modules/.bin/node --disable-warning=ExperimentalWarning bench/runs.ts "$@"
