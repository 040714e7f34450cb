#!/bin/sh
# npm test: installs what is missing, then runs all tests. Arguments go to vitest: npm test -- hub/mqtt
# The last line counts: N passed, N failed, N skipped.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh

# Programs (or files) that only tests need, as NAME:PACKAGE. Without one its tests are skipped, visibly.
missing=
for pair in chromium:chromium socat:socat printcore:printrun mosquitto:mosquitto ip:iproute2 \
  openscad:openscad prusa-slicer:prusa-slicer espeak-ng:espeak-ng pocketsphinx_continuous:pocketsphinx \
  /usr/share/pocketsphinx/model/en-us:pocketsphinx-en-us; do
  [ -e "${pair%%:*}" ] || command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "test: installing$missing" >&2
  install() { DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null 2>&1; }
  apt-get -qq update >/dev/null 2>&1 || true
  # All at once is quicker; where one cannot be had, the others still can.
  # shellcheck disable=SC2086 # one word for each package
  install $missing || for package in $missing; do
    install "$package" || echo "test: could not install $package; its tests are skipped" >&2
  done
elif [ -n "$missing" ]; then
  echo "test: skipping the tests that need$missing; to run them: sudo apt-get install$missing" >&2
fi

export UV_THREADPOOL_SIZE=16
PATH=$PWD/node_modules/.bin:$PATH
report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@" || status=$?
node tools/count-tests.js "$report" || status=1
exit "$status"
