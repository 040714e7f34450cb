#!/bin/sh
# Proves the playbooks on real machines with systemd, from install to rollback, while a client writes
# every 20 ms. By hand, as root, on a machine that is otherwise idle: about 15 minutes.
#
#   MACHINES=/path/to/vm.sh sh tools/machines.sh ARCHIVE [NEWER-ARCHIVE]
#
# MACHINES makes throw-away Debian machines: `build`, `up N...`, `ssh N COMMAND`, `kill N`, `inventory N...`
# and `destroy`. Machines 1 to 3 become hubs, 4 and 5 nodes. It ends with 0 only if the second run of the
# playbook changes nothing, no write failed or was lost in any step, and the work of the nodes was done.
set -eu
cd "$(dirname "$0")/.."
vm=${MACHINES:?the program that makes machines}
old=$(readlink -f "${1:?the archive to install}")
new=${2:+$(readlink -f "$2")}
SUBNET=${SUBNET:-10.77.0}
NS=${NS:-gantryrig}
export SUBNET NS
node=$PWD/node_modules/.bin/node
work=$(mktemp -d)
writer=
trap '[ -z "$writer" ] || kill "$writer" 2>/dev/null; rm -rf "$work"' EXIT
export ANSIBLE_NOCOLOR=1 ANSIBLE_CONFIG="$PWD/ansible/ansible.cfg" ANSIBLE_HOST_KEY_CHECKING=False

say() { printf '%s %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }
on() { "$vm" ssh "$@"; }
hubs=https://$SUBNET.11:8080,https://$SUBNET.12:8080,https://$SUBNET.13:8080
agents=tcp://$SUBNET.11:7701,tcp://$SUBNET.12:7701,tcp://$SUBNET.13:7701

GANTRY_TOKEN=$(openssl rand -hex 32)
secret=$(openssl rand -hex 32)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj /CN=Gantry \
  -addext "subjectAltName=IP:$SUBNET.11,IP:$SUBNET.12,IP:$SUBNET.13" \
  -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null

# Codes of node 4 and 5; empty at first.
inventory() {
  "$vm" inventory 1 2 3 4 5 >"$work/inventory.yml"
  cat >>"$work/inventory.yml" <<Y
  children:
    hubs:
      vars:
        gantry_hub_secrets: {GANTRY_TOKEN: $GANTRY_TOKEN, GANTRY_CLUSTER_SECRET: $secret}
        gantry_hub_tls_cert: $work/tls.crt
        gantry_hub_tls_key: $work/tls.key
      hosts:
        n1: {gantry_hub_id: hub-1, gantry_hub_backup: true}
        n2: {gantry_hub_id: hub-2}
        n3: {gantry_hub_id: hub-3}
    nodes:
      hosts:
        n4:
          gantry_agent_join_code: "$1"
          gantry_agent_environment: {GANTRY_HUBS: "$agents", GANTRY_PRINTERS: "sim4=sim:?speed=20"}
        n5:
          gantry_agent_join_code: "$2"
          gantry_agent_environment: {GANTRY_HUBS: "$agents", GANTRY_PRINTERS: "sim5=sim:?speed=20"}
Y
}
play() {
  from=$(date +%s)
  ansible-playbook -i "$work/inventory.yml" "$@" >"$work/play.log" 2>&1 || {
    tail -40 "$work/play.log" >&2
    fail "ansible-playbook $*"
  }
  say "ansible-playbook $(basename "$1") took $(($(date +%s) - from)) s"
}
write() {
  GANTRY_TOKEN=$GANTRY_TOKEN NODE_EXTRA_CA_CERTS=$work/tls.crt ip netns exec "$NS" \
    "$node" tests/ops/machines/writer.ts "$hubs" >"$work/writer.json" &
  writer=$!
}
written() {
  kill -TERM "$writer"
  wait "$writer" || fail "the writer"
  writer=
  say "$1: $(cat "$work/writer.json")"
  grep -q '"failed":\[\],"lost":0,' "$work/writer.json" || fail "$1: a write failed or was lost"
}

"$vm" build
"$vm" up 1 2 3 4 5
inventory "" ""
play ansible/site.yml -e "gantry_release=$old"
inventory "$(on 1 gantry join-code n4 2>/dev/null)" "$(on 1 gantry join-code n5 2>/dev/null)"
play ansible/site.yml -e "gantry_release=$old"
inventory "" ""
play ansible/site.yml -e "gantry_release=$old"
! grep -E 'changed=[1-9]' "$work/play.log" || fail "the playbook changes something each time"

on 1 gantry cluster status
"$node" tools/demo-part.js | on 1 'cat >/tmp/part.gcode'
on 1 gantry exec uptime
on 1 'gantry print /tmp/part.gcode --on sim4 --yes "confirm print part on sim4" --follow' | tail -1

write
leader=$(on 1 gantry cluster status --json | grep -o '"leader":"hub-[1-3]"' | head -1 | tr -dc 1-3)
sleep 5
"$vm" kill "$leader"
sleep 10
"$vm" up "$leader"
sleep 20
written "power loss of hub-$leader, which led"

write
play ansible/restart.yml
written "rolling restart"

if [ -n "$new" ]; then
  write
  play ansible/site.yml -e "gantry_release=$new"
  written "upgrade"
  write
  play ansible/rollback.yml -e "gantry_rollback_to=$(basename "$old" .tar.gz)"
  written "rollback"
fi
on 2 gantry cluster status
on 4 systemctl is-active gantry-bridge gantry-supervisor gantry-agent
"$vm" destroy
say "all well"
