#!/usr/bin/env bash
# The TypeScript suite in an Alpine container, on the prebuilt musl addon: usage: scripts/test/alpine.sh NODE-VERSION
# Needs docker. node_modules must match the C library of the container: it is installed in a copy.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs docker
(($# == 1)) || misused 'one NODE-VERSION is expected'
version=$1
docker run --rm --volume "$PWD:/source:ro" "node:$version-alpine" sh -euc '
  apk add --no-cache bash git openssl strace tar >/dev/null
  mkdir /copy
  cd /source
  tar -c --exclude=./node_modules --exclude=./target/packages --exclude="./*.node" . | tar -x -C /copy
  cd /copy
  npm run --silent setup
  npm run --silent use-artifacts
  SENDFILE64_EXPECT_BINDING=native npm run --silent test:ts
'
