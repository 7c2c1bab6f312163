#!/usr/bin/env bash
# in-namespace.sh COMMAND [ARGUMENT...]
# Runs the command in a network namespace of its own (loopback only) with a congestion control that does not pace:
# bbr paces loopback too, nothing gets past about 2 GB/s and every fast server looks alike.
# Needs root or user namespaces. Where that is not allowed it says so and uses the host's network.
# The command finds what was used in SENDFILE64_BENCH_NETWORK.
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
  # two words are meant
  # shellcheck disable=SC2086
  if $enter ip link set lo up 2>/dev/null; then
    exec $enter bash -c 'ip link set lo up; exec bash "$0" --inside "$@"' "$0" "$@"
  fi
done

echo "in-namespace: not allowed here; using the host's network with $(in_use)" >&2
SENDFILE64_BENCH_NETWORK="host network, $(in_use)" exec "$@"
