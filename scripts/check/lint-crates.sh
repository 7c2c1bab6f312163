#!/usr/bin/env bash
# Checks the dependency graph against deny.toml; builds cargo-deny (about 3 minutes) if it is missing.
# usage: scripts/check/lint-crates.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
version=0.20.2
if ! cargo deny --version >/dev/null 2>&1; then
  echo "lint-crates: cargo install cargo-deny@$version (once)" >&2
  cargo install --quiet --locked "cargo-deny@$version" --target-dir "${CARGO_TARGET_DIR:-target}/cargo-deny"
fi
# only the offline checks: advisories would download a database
cargo deny --locked check --hide-inclusion-graph bans licenses sources
