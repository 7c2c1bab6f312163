#!/usr/bin/env bash
# Checks the requirements of an addon: C library, architecture and size.
# usage: scripts/check/addons.sh FOLDER
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs readelf
(($# == 1)) || misused 'one FOLDER is expected'
floor=2.17 most=$((1500 * 1000))
shopt -s nullglob
files=("$1"/*.linux-*.node)
((${#files[@]})) || { unprepared "no addon in $1: npm run build:all"; }
fail() { echo "check-addons: $file: $*" >&2; exit 1; }

for file in "${files[@]}"; do
  header=$(readelf -h "$file") dynamic=$(readelf -d "$file") needed=$(grep NEEDED <<<"$dynamic")
  case $file in
    *linux-x64*) grep -q 'X86-64' <<<"$header" || fail 'not for x64' ;;
    *linux-arm64*) grep -q 'AArch64' <<<"$header" || fail 'not for arm64' ;;
  esac
  newest=$(readelf -V "$file" | grep -oE 'GLIBC_[0-9.]+' | sed 's/GLIBC_//' | sort -Vu | tail -1 || true)
  case $file in
    *-gnu.node)
      [ -n "$newest" ] || fail 'asks for no version of glibc'
      [ "$(printf '%s\n%s\n' "$newest" "$floor" | sort -V | tail -1)" = "$floor" ] || fail "needs glibc $newest, not $floor"
      ;;
    *-musl.node)
      [ -z "$newest" ] || fail "needs glibc $newest"
      ! grep -qE 'libc\.so\.6|ld-linux' <<<"$needed" || fail 'is linked with glibc'
      ;;
  esac
  size=$(stat -c %s "$file")
  ((size <= most)) || fail "$size bytes, more than $most"
  printf 'check-addons: %s %s bytes%s\n' "$(basename "$file")" "$size" "${newest:+, glibc $newest}"
done
