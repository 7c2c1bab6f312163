#!/usr/bin/env bash
# Compiles every crate for platforms on which no test runs: types and lints, without linking.
# usage: scripts/check/platforms.sh [target ...]
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
targets=("$@")
((${#targets[@]})) || targets=(aarch64-apple-darwin x86_64-apple-darwin x86_64-unknown-freebsd)
command -v rustup >/dev/null || { echo "check-platforms: rustup is needed to add ${targets[*]}: https://rustup.rs" >&2; exit 1; }
rustup -q target add "${targets[@]}"
for target in "${targets[@]}"; do
  echo "check-platforms: $target"
  # Clippy includes cargo check, and also finds an `unsafe` without a SAFETY comment behind a cfg
  cargo clippy --quiet --workspace --lib --target "$target" -- -D warnings
done
