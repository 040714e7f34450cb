#!/bin/sh
# npm run bench:cluster: three hubs beside three etcd servers, in about four minutes. Needs etcd
# (Debian: etcd-server). Figures are only comparable on one quiet machine.
set -eu
cd "$(dirname "$0")/.."
command -v etcd >/dev/null || { echo "bench: etcd is not installed (Debian: etcd-server)" >&2; exit 69; }
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
exec node_modules/.bin/node --disable-warning=ExperimentalWarning bench/cluster/run.ts
