#!/usr/bin/env bash
# Builds for one target and leaves the files in target/artifacts: usage: scripts/build/artifact.sh TARGET SCRIPT
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
(($# == 2)) || misused 'TARGET and SCRIPT are expected'
target=$1 script=$2 out=target/artifacts
mkdir -p "$out"
if [ "$target" = wasm32-wasip1 ]; then
  "scripts/build/$script"
  cp sendfile64.wasip1.cjs sendfile64.wasm32-wasip1.wasm.br "$out"
else
  "scripts/build/$script" "$target"
fi
ls -l "$out"
