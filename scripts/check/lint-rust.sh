#!/usr/bin/env bash
# Runs Clippy on every crate and every test; fails on a warning.
# usage: scripts/check/lint-rust.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
cargo clippy --workspace --lib -- -D warnings
# Under cfg(test) #[napi] registers nothing, so that every export of the addon would be reported as unused
cargo clippy --workspace --exclude sendfile64-binding --all-targets -- -D warnings
