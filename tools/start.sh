#!/bin/sh
# npm start: installs what is missing, then runs the whole appliance on this machine.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
exec node_modules/.bin/node tools/start.js "$@"
