#!/bin/sh
# npm run bench:assistant: what the house adds to a model, beside node-llama-cpp alone (bench/assistant.ts),
# in under four minutes. Needs ../shared/models. Figures are only comparable on one quiet machine.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
exec nice -n -15 node_modules/.bin/node --disable-warning=ExperimentalWarning bench/assistant.ts "$@"
