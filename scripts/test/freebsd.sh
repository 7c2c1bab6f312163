#!/bin/sh
# Builds the addon in a FreeBSD virtual machine and runs the portable suite there: usage: scripts/test/freebsd.sh
# The addon is left in target/artifacts. sendfile(2) of FreeBSD is not used: `auto` copies there.
set -eu
. "$(dirname "$0")/../dev/program.sh"
sudo pkg install -y bash git node24 npm-node24 rust >/dev/null
npm run --silent setup
npm run --silent build:native
npm run --silent build:ts
cargo test --workspace --quiet
SENDFILE64_EXPECT_BINDING=native npm run --silent test:portable
mkdir -p target/artifacts
cp sendfile64.freebsd-x64.node target/artifacts/
