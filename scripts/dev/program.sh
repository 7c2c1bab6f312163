# Sourced first by every shell script: `--help` prints the comment at the top of the script, and an option that this
# comment does not name ends it with 2. What follows `--` is passed on. Then the root folder is the working directory.
# POSIX sh: FreeBSD has no other shell.
# shellcheck shell=sh
program=$(basename "$(dirname "$0")")/$(basename "$0" .sh)
comment=$(sed -n '2,${/^#/!q;s/^# \{0,1\}//p;}' "$0")

# Something must be done first.
unprepared() {
  echo "$program: $1" >&2
  exit 1
}

misused() {
  echo "$program: $1 (--help shows the usage)" >&2
  exit 2
}

# Programs that must be there.
needs() {
  for tool; do
    command -v "$tool" >/dev/null || unprepared "$tool was not found: install it"
  done
}

for argument; do
  case $argument in
    --) break ;;
    --help)
      printf '%s\n' "$comment"
      exit 0
      ;;
    -*) case " $(printf %s "$comment" | tr -c 'A-Za-z0-9-' ' ') " in
      *" $argument "*) ;;
      *) misused "unknown option $argument" ;;
    esac ;;
  esac
done
[ "${1-}" != -- ] || shift

cd "$(dirname "$0")" || exit
until [ -f package-lock.json ]; do cd ..; done
