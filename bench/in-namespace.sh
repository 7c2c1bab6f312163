#!/usr/bin/env bash
# in-namespace.sh COMMAND [ARGUMENT...]
# Runs the command in a network namespace of its own (loopback only) with a congestion control that does not pace:
# bbr also paces loopback: no server exceeds about 2 GB/s, and all fast servers look alike.
# Needs root or user namespaces. If that is not permitted, it prints a notice and uses the network of the host.
# SENDFILE64_BENCH_NETWORK describes the network to the command.
set -euo pipefail

in_use() { cat /proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null || echo unknown; }

if [[ ${1:-} == --inside ]]; then
  shift
  for control in cubic reno; do
    sysctl -qw "net.ipv4.tcp_congestion_control=$control" 2>/dev/null && break
  done
  SENDFILE64_BENCH_NETWORK="own namespace, $(in_use)" exec "$@"
fi

[[ $# -gt 0 ]] || { echo "usage: in-namespace.sh COMMAND [ARGUMENT...]" >&2; exit 2; }

for enter in "unshare -n" "unshare -rn"; do
  # must be split into two words
  # shellcheck disable=SC2086
  if $enter ip link set lo up 2>/dev/null; then
    exec $enter bash -c 'ip link set lo up; exec bash "$0" --inside "$@"' "$0" "$@"
  fi
done

echo "in-namespace: not permitted; using the network of the host with $(in_use)" >&2
SENDFILE64_BENCH_NETWORK="host network, $(in_use)" exec "$@"
