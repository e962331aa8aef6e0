#!/bin/bash
# engine.sh CMD… : CMD with a Docker engine. One that is there is used. On Debian, as root, one of our own is started in a
# network namespace (MNEMO_TEST_ENGINE_SPACE), on whose loopback published ports are, and stopped at the end. Elsewhere CMD
# runs without, and MNEMO_TEST_NO_ENGINE says why.
set -uo pipefail
docker version > /dev/null 2>&1 && exec "$@"
no() { MNEMO_TEST_NO_ENGINE=$1 exec "${@:2}"; }
[ "$(id -u)" = 0 ] || no "no Docker engine answers, and only root can start one" "$@"
command -v apt-get > /dev/null || no "no Docker engine answers, and one is started on Debian only" "$@"
export DEBIAN_FRONTEND=noninteractive
if ! command -v dockerd > /dev/null || ! command -v mmdebstrap > /dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io iptables iproute2 mmdebstrap; } \
    > /dev/null 2>&1 || no "no Docker engine answers, and its packages cannot be installed" "$@"
fi
home=${MNEMO_TEST_ENGINE:-/var/lib/mnemo-test-engine}
space=mnemo-engine
run=/run/$space
export DOCKER_HOST=unix://$run/docker.sock
mkdir -p "$home" "$run"
ip netns list | grep -qw $space || { ip netns add $space && ip -n $space link set lo up; } \
  || no "no network namespace can be made here" "$@"
# `ip netns exec` would hide the cgroups from it.
nsenter --net=/run/netns/$space dockerd --data-root "$home/data" --exec-root "$run/exec" --pidfile "$run/pid" \
  -H "$DOCKER_HOST" --exec-opt native.cgroupdriver=cgroupfs --ip 127.0.0.1 --bip 198.18.0.1/24 \
  --default-address-pool base=198.18.64.0/18,size=24 > "$home/dockerd.log" 2>&1 < /dev/null &
engine=$!
stop() {
  kill -TERM $engine 2> /dev/null
  wait $engine
  umount "$home/data" 2> /dev/null
  ip netns del $space 2> /dev/null
}
trap stop EXIT
for _ in $(seq 300); do
  docker version > /dev/null 2>&1 && break
  kill -0 $engine 2> /dev/null || break
  sleep 0.1
done
if docker version > /dev/null 2>&1; then
  MNEMO_TEST_ENGINE_SPACE=/run/netns/$space "$@"
else
  MNEMO_TEST_NO_ENGINE="dockerd does not start here: $(grep -m1 failed "$home/dockerd.log")" "$@"
fi
