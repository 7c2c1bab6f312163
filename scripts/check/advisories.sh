#!/usr/bin/env bash
# Looks the dependencies up in the databases of known vulnerabilities. Needs the network.
# usage: scripts/check/advisories.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-deny@0.20.2
cargo deny --locked check advisories
# what is published has no npm dependency of others; these are the tools that build it
npm audit --audit-level=high
