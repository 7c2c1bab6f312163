#!/usr/bin/env bash
# Runs the TypeScript suite on the WASI flavor; fails if another binding is loaded.
# usage: scripts/test/wasi.sh [spec ...] [-- ava argument ...]
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
compgen -G '*.wasm32-wasip1.wasm.br' >/dev/null || scripts/build/wasi.sh

# node:wasi prints a warning to stderr
export NODE_OPTIONS="${NODE_OPTIONS:-} --disable-warning=ExperimentalWarning"
export NAPI_RS_WASI_FLAVOR=wasm32-wasip1
# __test__/contract/binding.spec.ts compares it with support()
export SENDFILE64_EXPECT_BINDING=wasm32-wasip1
exec node node_modules/ava/entrypoints/cli.mjs "$@"
