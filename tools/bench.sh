#!/bin/sh
# npm run bench: every measurement in bench/, or those named: npm run bench -- log
# Figures are only comparable on one quiet machine; each prints the machine's floor next to its own.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh --no-console
export UV_THREADPOOL_SIZE=16
status=0
ran=0
for file in bench/*.bench.ts; do
  [ -e "$file" ] || break
  name=${file#bench/}
  name=${name%.bench.ts}
  if [ $# -gt 0 ]; then case " $* " in *" $name "*) ;; *) continue ;; esac; fi
  ran=$((ran + 1))
  echo "== $name"
  node_modules/.bin/node "$file" || status=1
done
[ "$ran" -gt 0 ] || { echo "bench: there is no such measurement in bench/" >&2; exit 66; }
exit "$status"
