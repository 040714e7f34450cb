#!/bin/sh
# Makes one archive that runs without npm and without a network: sh tools/release.sh [FOLDER]
#
#   gantry-VERSION-linux-ARCH/bin/{node,gantry}   Node 26, stripped, and the command line
#   .../lib/libatomic.so.1                        which a minimal Debian 12 lacks
#   .../app                                       hub, agent, bridge, console, production packages
#   .../systemd                                   the units that ansible installs
#
# Beside it lies its sha256. Same tree, same bytes: names sorted, times from the last commit.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh

NODE=$PWD/node_modules/.bin/node
version=$("$NODE" -p 'require("./package.json").version')
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
name=gantry-$version-linux-$arch
out=$(mkdir -p "${1:-dist}" && cd "${1:-dist}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$work/$name
mkdir -p "$top/bin" "$top/lib" "$top/app"

cp -L "$NODE" "$top/bin/node"
! command -v strip >/dev/null || strip "$top/bin/node"
atomic=$(ldconfig -p | sed -n 's/.*libatomic\.so\.1 .*=> //p' | head -1)
[ -n "$atomic" ] || { echo "release: libatomic.so.1 is missing; apt-get install libatomic1" >&2; exit 69; }
cp -L "$atomic" "$top/lib/libatomic.so.1"
cp tools/gantry.sh "$top/bin/gantry"
chmod 755 "$top/bin/gantry"

# What git tracks, without tests and tools; then the console and the packages, which it does not.
git ls-files -z package.json package-lock.json LICENSE README.md CHANGELOG.md docs \
  shared hub node-agent firmware-bridge tools/none |
  grep -zvE '\.(test|bench)\.ts$|/testing/|^hub/console/' |
  tar -c --null -T - | tar -x -C "$top/app"
mkdir -p "$top/app/hub/console"
cp -R hub/console/dist "$top/app/hub/console/dist"
cp -R systemd "$top/systemd"
cp -a node_modules "$top/app/node_modules"
rm -rf "$top"/app/node_modules/.vite* "$top"/app/node_modules/.gantry-*
(cd "$top/app" && npm prune --omit=dev --offline --no-audit --no-fund --loglevel=error >&2)
(cd "$top/app/node_modules" && rm -rf @oxlint @oxlint-tsgolint @oxfmt @rolldown @typescript @types @vitest typescript lightningcss*)
rm -rf "$top"/app/node_modules/node-linux-* "$top"/app/node_modules/.bin/node \
  "$top"/app/node_modules/.package-lock.json
find "$top/app/node_modules" -type f \( -name '*.map' -o -name '*.md' ! -iname 'license*' \) -delete
echo "$version" >"$top/VERSION"

stamp=$(git log -1 --format=%ct)
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$stamp" -c "$name" |
  gzip -n -6 >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
ls -l "$out/$name.tar.gz" | awk '{ printf "release: %s, %.0f MB\n", $9, $5 / 1e6 }'
