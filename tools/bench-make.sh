#!/bin/sh
# npm run bench:make: words to G-code, with each step's share, beside OpenSCAD and PrusaSlicer by hand
# (bench/make.ts), in about two minutes. Needs: apt-get install openscad prusa-slicer. Figures are only
# comparable on one quiet machine.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
exec nice -n -15 node_modules/.bin/node --disable-warning=ExperimentalWarning bench/make.ts "$@"
