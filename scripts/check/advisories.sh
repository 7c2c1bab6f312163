#!/usr/bin/env bash
# Checks the dependencies against the databases of known vulnerabilities. Needs a network.
# usage: scripts/check/advisories.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-deny@0.20.2
cargo deny --locked check advisories
# the published packages have no npm dependencies; these are the build tools
npm audit --audit-level=high
