#!/bin/sh
# npm run bench:fabrication: lines to simulated printers, ours and Debian's printcore (apt-get install
# printrun), in about twelve minutes (bench/fabrication.ts). Figures are only comparable on one quiet
# machine; where this user may, everything measured, printcore too, goes before the machine's other work.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
first=""
if chrt -r 1 true 2>/dev/null; then first="chrt -r 1"; fi
exec $first node_modules/.bin/node --disable-warning=ExperimentalWarning bench/fabrication.ts "$@"
