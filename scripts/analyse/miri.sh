#!/usr/bin/env bash
# Interprets the tests of crates/core under Miri: undefined behavior, overflow, and what the std of tests does with it.
# usage: scripts/analyse/miri.sh [-- cargo miri test argument ...]
# Miri comes with a nightly toolchain only. MIRI_TOOLCHAIN names another one than `nightly`.
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
  # An installed toolchain stays the version that it is
  if rustup run "$toolchain" rustc --version >/dev/null 2>&1; then
    rustup -q component add --toolchain "$toolchain" miri rust-src
  else
    rustup -q toolchain install "$toolchain" --profile minimal --component miri,rust-src
  fi || die "'$toolchain' has no Miri for this machine: name one that has, as in MIRI_TOOLCHAIN=nightly-YYYY-MM-DD"
fi

# An interpreted step takes a thousand times as long as a compiled one: fewer histories, the same kinds.
export PROPTEST_CASES=${PROPTEST_CASES:-4}
export MIRIFLAGS="${MIRIFLAGS:-} -Zmiri-env-forward=PROPTEST_CASES -Zmiri-strict-provenance"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/miri
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo "+$toolchain" miri test --package sendfile64-core "$@" 2>&1 | tee "$log"
total=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
((total > 0)) || die 'no test ran'
