#!/bin/sh
# npm run bench: every measurement of bench/catalogue.ts, or those named: npm run bench -- ask start
# Figures are only comparable on one quiet machine; each stands next to the machine's floor.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
exec node_modules/.bin/node --disable-warning=ExperimentalWarning bench/run.ts "$@"
