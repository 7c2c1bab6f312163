#!/usr/bin/env bash
# Model-checks the hand-over between threads in crates/engine: loom tries every interleaving.
# usage: scripts/test/loom.sh [-- cargo test argument ...]
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
# A separate folder: other RUSTFLAGS would invalidate the ordinary builds
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --package sendfile64-engine --release --lib "$@" 2>&1 | tee "$log"
# If the cfg no longer matched, no test would run, and the script would pass
total=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
((total > 0)) || { echo "test-loom: no test ran" >&2; exit 1; }
