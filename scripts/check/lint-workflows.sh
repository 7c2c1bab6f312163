#!/usr/bin/env bash
# Holds the workflows against actionlint, and every script against shellcheck.
# usage: scripts/check/lint-workflows.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs go shellcheck
version=1.7.12 tools=${XDG_CACHE_HOME:-$HOME/.cache}/sendfile64-tools/actionlint-1.7.12
if ! command -v shellcheck >/dev/null; then
  echo 'lint-workflows: shellcheck is needed: apt-get install shellcheck, or brew install shellcheck' >&2
  exit 1
fi
if [ ! -x "$tools/actionlint" ]; then
  command -v go >/dev/null || { echo 'lint-workflows: Go is needed to build actionlint: https://go.dev/dl' >&2; exit 1; }
  GOBIN=$tools go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
fi
shopt -s nullglob
workflows=(.github/workflows/*.yml)
((${#workflows[@]} >= 2)) || { echo 'lint-workflows: where are the workflows?' >&2; exit 1; }
"$tools/actionlint" -color "${workflows[@]}"
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck --severity=warning "${scripts[@]}"
echo "lint-workflows: ${#workflows[@]} workflows and ${#scripts[@]} scripts"
