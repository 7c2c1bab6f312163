#!/usr/bin/env bash
# Fuzzes the planner from the committed corpus; fails if it differs from an independent account.
# usage: scripts/analyse/fuzz.sh [--seconds N] [--target NAME]   (default: 60, plan)
#        scripts/analyse/fuzz.sh --minimise [--target NAME]      adds the new inputs to the corpus, minimized
# A failing input is kept in fuzz/artifacts and should become a named test of crates/core.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
version=0.13.2 seconds=60 name=plan minimise=

die() {
  echo "fuzz: $1" >&2
  exit 2
}

while (($#)); do
  case $1 in
    --seconds) seconds=${2:-} ;;
    --target) name=${2:-} ;;
    --minimise)
      minimise=1
      shift
      continue
      ;;
    *) die "unknown argument '$1': usage: fuzz [--seconds N] [--target NAME] [--minimise]" ;;
  esac
  shift 2 || die "$1 needs a value"
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds must be a number above 0, not '$seconds'"
[ -f "fuzz/fuzz_targets/$name.rs" ] || die "there is no fuzz/fuzz_targets/$name.rs"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo install cargo-fuzz@$version (once)" >&2
  cargo install --quiet --locked "cargo-fuzz@$version" --target-dir "$target/cargo-fuzz"
fi

export CARGO_TARGET_DIR=$target/fuzz
found=$target/fuzz/corpus/$name
corpus=fuzz/corpus/$name
mkdir -p "$found" "$corpus"
# core has no unsafe code for a sanitizer to check; without one the fuzzer is several times as fast.
# The pinned compiler accepts the unstable flags of cargo-fuzz, so that no second toolchain is needed.
fuzz=(env RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$name")
if [ -n "$minimise" ]; then
  smallest=$(mktemp -d)
  trap 'rm -rf "$smallest"' EXIT
  "${fuzz[@]}" "$smallest" "$corpus" "$found" -- -set_cover_merge=1 -max_len=512
  rm -rf "$corpus" && cp -r "$smallest" "$corpus" && chmod 755 "$corpus"
  exit
fi
# New inputs go to the first folder; the committed one is only read.
"${fuzz[@]}" "$found" "$corpus" -- -max_total_time="$seconds" -max_len=4096 -print_final_stats=1
