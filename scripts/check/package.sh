#!/usr/bin/env bash
# Checks the packages as published: exact contents, licenses, publint, arethetypeswrong.
# usage: scripts/check/package.sh   (packs the existing artifacts, unless everything has been packed)
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
packages=target/packages
if [ ! -f "$packages/packages.json" ] || grep -q '"complete": false' "$packages/packages.json"; then
  node scripts/release/pack.mjs --partial
fi
node scripts/check/tarball.mjs
version=$(node -p "require('./package.json').version")
npx --no-install publint --strict "$packages/sendfile64-$version.tgz"
npx --no-install attw "$packages/sendfile64-$version.tgz"

# Every linked crate is named in the package that links it
for licenses in "$packages"/*/THIRD-PARTY-LICENSES.txt; do
  for crate in napi napi-sys futures-core memchr; do
    grep -q "^- $crate [0-9]" "$licenses" || { echo "check-package: $licenses does not name $crate" >&2; exit 1; }
  done
  grep -q 'Permission is hereby granted' "$licenses"
done
echo 'check-package: licenses are complete'
