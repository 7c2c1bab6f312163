#!/usr/bin/env bash
# Runs the TypeScript suite on the WASI flavour; fails when another binding would be loaded instead.
# usage: scripts/test-wasi.sh [ava arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compgen -G '*.wasm32-wasip1.wasm.br' >/dev/null || scripts/build-wasi.sh

# node:wasi announces itself on stderr
export NODE_OPTIONS="${NODE_OPTIONS:-} --disable-warning=ExperimentalWarning --import=$PWD/scripts/wasi-flavor.mjs"
export NAPI_RS_WASI_FLAVOR=wasm32-wasip1
# __test__/contract/binding.spec.ts compares it with what support() says
export SENDFILE64_EXPECT_BINDING=wasm32-wasip1
if (($# == 0)); then
  # Left out is what is about the kernel executor: system calls, descriptors as destinations, TCP's own account, streams
  # (which are Node's own there).
  # Part of it would hold here as well, once it asks __test__/fixtures/executor.ts what to expect.
  kernel=('conformance/**' 'faults/**' 'descriptor-*.spec.ts' preference.spec.ts stream-source.spec.ts)
  kernel+=(options/stall.spec.ts options/surround.spec.ts options/until.spec.ts 'lifecycle/matrix-*.spec.ts' 'stream/**')
  set -- '__test__/**/*.spec.ts' "${kernel[@]/#/!__test__/}"
fi
exec node node_modules/ava/entrypoints/cli.mjs "$@"
