#!/usr/bin/env bash
# Builds the last commit twice from scratch in two folders, and compares the files.
# usage: scripts/check/reproducible.sh [target ...]   (default: x86_64-unknown-linux-gnu wasm32-wasip1)
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
(($#)) || set -- x86_64-unknown-linux-gnu wasm32-wasip1
commit=$(git rev-parse HEAD) work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in one another/folder; do
  mkdir -p "$work/$folder"
  git archive "$commit" | tar -x -C "$work/$folder"
  ln -s "$PWD/node_modules" "$work/$folder/node_modules"
  for target in "$@"; do
    build=(scripts/build/cross.sh "$target")
    [ "$target" != wasm32-wasip1 ] || build=(scripts/build/wasi.sh)
    (cd "$work/$folder" && env -u CARGO_TARGET_DIR nice "${build[@]}" >build.log 2>&1) || { tail -20 "$work/$folder/build.log" >&2; exit 1; }
  done
  (cd "$work/$folder" && find . -maxdepth 3 \( -path './target/artifacts/*.node' -o -path './*.wasm.br' -o -path './*.wasip1.cjs' \) \
    -not -path './target/wasi-out/*' -exec sha256sum {} + | sort -k2) >"$work/sums-${folder%%/*}"
  rm -rf "${work:?}/$folder/target"
done
[ -s "$work/sums-one" ] || unprepared 'nothing was built'
diff "$work/sums-one" "$work/sums-another" || { echo 'check-reproducible: two builds of one commit differ' >&2; exit 1; }
cat "$work/sums-one"
