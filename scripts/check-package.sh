#!/usr/bin/env bash
# Packs the package and looks at the tarball as its users will: contents, publint, arethetypeswrong, both entries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm run --silent build:ts
npm pack --silent --ignore-scripts --pack-destination "$work" >/dev/null
tarball=$(echo "$work"/*.tgz)

node scripts/check-tarball.mjs "$tarball"
npx --no-install publint --strict "$tarball"
npx --no-install attw "$tarball"

# The addon comes from a package of its own; here it is pointed at, so that the tarball stays as it is published
mkdir -p "$work/consumer/node_modules/sendfile64"
tar -xzf "$tarball" -C "$work/consumer/node_modules/sendfile64" --strip-components=1
cp scripts/consumer.mjs "$work/consumer/consumer.mjs"
addon=$(compgen -G "$PWD/sendfile64.$(node -p 'process.platform + "-" + process.arch')*.node" | head -1)
(cd "$work/consumer" && NAPI_RS_NATIVE_LIBRARY_PATH=$addon node consumer.mjs)
