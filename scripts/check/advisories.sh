#!/usr/bin/env bash
# Looks the dependencies up in the databases of known vulnerabilities. Needs the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-deny@0.20.2
cargo deny --locked check advisories
# what is published has no npm dependency of others; these are the tools that build it
npm audit --audit-level=high
