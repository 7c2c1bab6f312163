# Sourced first by every shell script: `--help` prints the comment at the top of the script, then calls `help_details` if
# the script has defined it. An option that the comment does not name ends the script with 2. Arguments after `--` are
# passed on. Afterwards the root folder is the working directory. POSIX sh: FreeBSD has no other shell.
# shellcheck shell=sh
program=$(basename "$(dirname "$0")")/$(basename "$0" .sh)
comment=$(sed -n '2,${/^#/!q;s/^# \{0,1\}//p;}' "$0")

# A prerequisite is missing.
unprepared() {
  echo "$program: $1" >&2
  exit 1
}

misused() {
  echo "$program: $1 (--help shows the usage)" >&2
  exit 2
}

# Requires programs.
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
      if command -v help_details >/dev/null; then help_details; fi
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
