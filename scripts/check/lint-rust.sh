#!/usr/bin/env bash
# Clippy on every crate and every test, without a warning.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo clippy --workspace --lib -- -D warnings
# Under cfg(test) #[napi] registers nothing, so all that the addon exports would be reported as unused
cargo clippy --workspace --exclude sendfile64-binding --all-targets -- -D warnings
