#!/bin/sh
# Installs what is missing for `npm start` and `npm test`, and nothing else. Safe to run any number of
# times; about 30 ms when there is nothing to do.
#
#   node_modules    from package-lock.json, which is never rewritten (npm ci)
#   Node 26         comes with node_modules; needs libatomic1 on a minimal Debian
#   llama.cpp       the CPU build from the lock; the CUDA build only where an NVIDIA GPU is
#                   (LLAMA_GPU=cuda, vulkan or none decides by hand)
#   console         built with Vite when its sources changed
#
# --no-console leaves the console alone.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 69; }
sum() { sha256sum | cut -c1-64; }

STAMP=node_modules/.gantry-lock
NODE=node_modules/.bin/node

lock_sum() { sum <package-lock.json; }

# Also true after somebody ran `npm ci` by hand: npm's own record is then newer than the lock.
is_installed() {
  [ -x "$NODE" ] || return 1
  if [ -e "$STAMP" ]; then
    [ "$(cat "$STAMP")" = "$(lock_sum)" ]
  else
    [ node_modules/.package-lock.json -nt package-lock.json ]
  fi
}

install_packages() {
  command -v npm >/dev/null || fail "npm is missing; install Node.js 20 or newer with npm"
  say "installing packages from package-lock.json (about 600 MB, once)"
  if ! npm ci --no-audit --no-fund --loglevel=error >&2; then
    if npm ping --loglevel=silent >/dev/null 2>&1; then
      fail "npm ci failed; what it said stands above"
    fi
    fail "npm ci failed and the package registry does not answer." \
      "Connect this machine, or copy node_modules from a machine with the same system." \
      "On a machine that never has a network, install a release archive instead: docs/operations.md"
  fi
}

# Packages bring builds for systems that this machine is not. 300 MB less on disk.
slim_packages() {
  case $(uname -m) in aarch64) other=x64 ;; *) other=arm64 ;; esac
  rm -rf \
    node_modules/onnxruntime-node/bin/napi-v6/darwin \
    node_modules/onnxruntime-node/bin/napi-v6/win32 \
    "node_modules/onnxruntime-node/bin/napi-v6/linux/$other" \
    node_modules/zeromq/build/darwin \
    node_modules/zeromq/build/win32 \
    "node_modules/@node-llama-cpp/linux-$other" \
    node_modules/node-linux-*/include
}

check_node() {
  "$NODE" --version >/dev/null 2>&1 && return
  if ldd "$NODE" 2>/dev/null | grep -q 'libatomic.*not found'; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      say "installing libatomic1, which Node 26 needs"
      { apt-get -qq update && apt-get -qq install -y libatomic1; } >/dev/null 2>&1 || true
    fi
    "$NODE" --version >/dev/null 2>&1 ||
      fail "Node 26 needs libatomic1. Run: sudo apt-get install -y libatomic1"
  fi
  "$NODE" --version >/dev/null || fail "the project's own Node does not run on this machine"
}

gpu_variant() {
  case ${LLAMA_GPU:-} in
    cuda | vulkan | none) echo "$LLAMA_GPU" ;;
    *) if [ -e /dev/nvidia0 ] || command -v nvidia-smi >/dev/null; then echo cuda; else echo none; fi ;;
  esac
}

# The lock has an empty package in place of each GPU build (400 to 900 MB); docs/adr/0002.
install_gpu_build() {
  variant=$(gpu_variant)
  [ "$variant" != none ] || return 0
  case $(uname -m) in aarch64) name=linux-arm64-$variant ;; *) name=linux-x64-$variant ;; esac
  [ ! -d "node_modules/@node-llama-cpp/$name/bins" ] || return 0
  version=$("$NODE" -p 'require("./node_modules/node-llama-cpp/package.json").version')
  aside=node_modules/.gantry-gpu
  say "fetching the $variant build of llama.cpp $version (once)"
  rm -rf "$aside"
  mkdir -p "$aside"
  if npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --loglevel=error --prefix "$aside" "@node-llama-cpp/$name@$version" >&2; then
    for found in "$aside"/node_modules/@node-llama-cpp/*; do
      rm -rf "node_modules/@node-llama-cpp/${found##*/}"
      mv "$found" node_modules/@node-llama-cpp/
    done
  else
    say "it could not be fetched: models run on the CPU until the next start with a network"
  fi
  rm -rf "$aside"
}

console_sum() {
  find hub/console -name dist -prune -o -type f -print | LC_ALL=C sort | xargs -d '\n' cat | sum
}

build_console() {
  [ -e hub/console/vite.config.ts ] || return 0
  stamp=hub/console/dist/.sources
  now=$(console_sum)
  [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$now" ] || return 0
  say "building the console"
  if PATH="$PWD/node_modules/.bin:$PATH" vite build hub/console --logLevel error >&2; then
    echo "$now" >"$stamp"
  else
    say "the console could not be built; the hub serves its API without it"
  fi
}

is_installed || {
  # Two at once (npm start beside npm test): one installs, the other waits and finds it done.
  if command -v flock >/dev/null; then
    exec 9>"${TMPDIR:-/tmp}/gantry-setup-$(id -u).lock"
    flock -w 900 9 || fail "another setup has been running for 15 minutes"
  fi
  is_installed || install_packages
}
if [ ! -e "$STAMP" ]; then
  slim_packages
  check_node
  lock_sum >"$STAMP"
fi
check_node
install_gpu_build
[ "${1-}" = --no-console ] || build_console
