#!/bin/sh
# The command line of an installed release (bin/gantry). On a machine that ansible set up it knows where
# the hubs are, and root the owner's token: what the environment or an option says comes first.
here=$(dirname "$(readlink -f "$0")")
etc=${GANTRY_ETC:-/etc}
unset GANTRY_ETC
if [ -r "$etc/gantry/client.env" ]; then
  while IFS='=' read -r name value; do
    case $name in
      *[!A-Z0-9_]* | '') continue ;;
      GANTRY_* | NODE_EXTRA_CA_CERTS) ;;
      *) continue ;;
    esac
    eval "known=\${$name+yes}"
    [ -n "$known" ] || export "$name=$value"
  done <"$etc/gantry/client.env"
fi
# This token is for the hubs of client.env, never for one that --hub names.
case " $* " in
  *" --hub"*) ;;
  *)
    if [ -z "${GANTRY_TOKEN:-}${GANTRY_TOKEN_FILE:-}${CREDENTIALS_DIRECTORY:-}" ] &&
      [ -r "$etc/credstore/GANTRY_TOKEN" ]; then
      export GANTRY_TOKEN_FILE="$etc/credstore/GANTRY_TOKEN"
    fi
    ;;
esac
LD_LIBRARY_PATH=$here/../lib exec "$here/node" --disable-warning=ExperimentalWarning \
  "$here/../app/node-agent/bin/gantry.js" "$@"
