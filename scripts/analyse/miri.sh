#!/usr/bin/env bash
# Runs the tests of crates/core in Miri, which finds undefined behavior and overflow.
# usage: scripts/analyse/miri.sh [-- cargo miri test argument ...]
# Miri needs a nightly toolchain. MIRI_TOOLCHAIN selects another one than `nightly`.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
toolchain=${MIRI_TOOLCHAIN:-nightly}

die() {
  echo "miri: $1" >&2
  exit 1
}

command -v rustup >/dev/null || die 'rustup is needed to install a nightly toolchain with Miri: https://rustup.rs'
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
  # An installed toolchain is not updated
  if rustup run "$toolchain" rustc --version >/dev/null 2>&1; then
    rustup -q component add --toolchain "$toolchain" miri rust-src
  else
    rustup -q toolchain install "$toolchain" --profile minimal --component miri,rust-src
  fi || die "'$toolchain' has no Miri for this machine: name one that has, as in MIRI_TOOLCHAIN=nightly-YYYY-MM-DD"
fi

# Interpretation is a thousand times slower: fewer histories of the same kinds.
export PROPTEST_CASES=${PROPTEST_CASES:-4}
export MIRIFLAGS="${MIRIFLAGS:-} -Zmiri-env-forward=PROPTEST_CASES -Zmiri-strict-provenance"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/miri
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo "+$toolchain" miri test --package sendfile64-core "$@" 2>&1 | tee "$log"
total=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
((total > 0)) || die 'no test ran'
