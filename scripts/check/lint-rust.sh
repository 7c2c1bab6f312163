#!/usr/bin/env bash
# Clippy on every crate and every test, without a warning.
# usage: scripts/check/lint-rust.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
cargo clippy --workspace --lib -- -D warnings
# Under cfg(test) #[napi] registers nothing, so all that the addon exports would be reported as unused
cargo clippy --workspace --exclude sendfile64-binding --all-targets -- -D warnings
