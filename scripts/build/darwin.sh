#!/usr/bin/env bash
# Builds an addon for macOS, on macOS: usage: scripts/build/darwin.sh TARGET. Writes target/artifacts/*.node.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs rustup
(($# == 1)) || misused 'one TARGET is expected'
target=$1
rustup -q target add "$target"
# the oldest macOS that Node 20 runs on
export MACOSX_DEPLOYMENT_TARGET=11.0
npm run --silent build:native -- --target "$target" --output-dir target/artifacts
