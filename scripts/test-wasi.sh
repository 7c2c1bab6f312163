#!/usr/bin/env bash
# Runs the contract spec on the WASI flavour; fails when another binding would be loaded instead.
# usage: scripts/test-wasi.sh [spec ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compgen -G '*.wasm32-wasip1.wasm' >/dev/null || scripts/build-wasi.sh
specs=("$@")
((${#specs[@]})) || specs=('__test__/contract/**/*.spec.ts')

# node:wasi announces itself on stderr
export NODE_OPTIONS="${NODE_OPTIONS:-} --disable-warning=ExperimentalWarning"
loaded=$(node --import=./scripts/wasi-flavor.mjs -p "require('./binding.cjs').__napiBindingTarget")
[ "$loaded" = wasm32-wasip1 ] || { echo "test-wasi: loaded '$loaded', not wasm32-wasip1" >&2; exit 1; }
export SENDFILE64_EXPECT_BINDING=wasm32-wasip1
# ava appends this to the loader named in package.json
exec node node_modules/ava/entrypoints/cli.mjs --node-arguments=--import=./scripts/wasi-flavor.mjs "${specs[@]}"
