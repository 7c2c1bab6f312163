#!/usr/bin/env bash
# Checks the workflows with actionlint (built by Go), and every shell script with shellcheck.
# usage: scripts/check/lint-workflows.sh
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs go shellcheck
version=1.7.12 tools=${XDG_CACHE_HOME:-$HOME/.cache}/sendfile64-tools/actionlint-1.7.12
if [ ! -x "$tools/actionlint" ]; then
  GOBIN=$tools go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
fi
shopt -s nullglob
workflows=(.github/workflows/*.yml)
((${#workflows[@]} >= 2)) || unprepared 'the workflows were not found in .github/workflows'
"$tools/actionlint" -color "${workflows[@]}"
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck --severity=warning "${scripts[@]}"
echo "lint-workflows: ${#workflows[@]} workflows and ${#scripts[@]} scripts"
