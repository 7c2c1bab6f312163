#!/usr/bin/env bash
# Runs the contract with the addons of other C libraries and architectures, each in a matching Node.
# usage: scripts/test/foreign.sh [x64-musl | arm64-gnu | arm64-musl ...]
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
(($#)) || set -- x64-musl arm64-gnu arm64-musl
# Node strips types itself: the loader of other runs contains an addon for the host
cat >target/ava.foreign.config.mjs <<'CONFIG'
export default {
  extensions: { ts: 'module' },
  files: ['__test__/contract/**/*.spec.ts'],
  timeout: '5m',
  // qemu-user runs this one process; a child would need a kernel that knows foreign programs
  workerThreads: true,
  concurrency: 1,
}
CONFIG
for kind in "$@"; do
  addon=$PWD/target/artifacts/sendfile64.linux-$kind.node
  [ -f "$addon" ] || unprepared "$addon is not built: scripts/build/cross.sh"
  echo "test-foreign: $kind"
  NAPI_RS_NATIVE_LIBRARY_PATH=$addon SENDFILE64_EXPECT_BINDING=native \
    scripts/dev/foreign-node.sh "$kind" -- --disable-warning=ExperimentalWarning node_modules/ava/entrypoints/cli.mjs \
    --config target/ava.foreign.config.mjs
done
