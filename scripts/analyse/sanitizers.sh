#!/usr/bin/env bash
# Runs the crates' tests, and the addon inside Node, under LLVM's sanitizers; fails if they report anything.
# usage: scripts/analyse/sanitizers.sh [asan] [tsan] [addon]   (default: all three)
#   asan   AddressSanitizer and LeakSanitizer over the tests of crates/
#   tsan   ThreadSanitizer over the same; std is compiled with it
#   addon  AddressSanitizer over the addon: contract and life cycle specs in a real Node
# SANITIZERS_SPECS='__test__/…' runs other specs in `addon`.
# x64 and arm64 Linux with glibc. Missing parts (rust-src, the runtime of the sanitizer) are installed if possible.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs cargo
target=${CARGO_TARGET_DIR:-$PWD/target}
host=$(rustc -vV | sed -n 's/^host: //p')

die() {
  echo "sanitizers: $1" >&2
  exit 1
}

case $host in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) ;;
  *) die "there is no sanitizer runtime for $host here: run it on x64 or arm64 Linux with glibc" ;;
esac

# -Zsanitizer is unstable; the pinned compiler still accepts it, so that no second toolchain is needed.
export RUSTC_BOOTSTRAP=1
# Tests wait longer: see PATIENCE in crates/engine/tests.
export SENDFILE64_SANITIZER=1

# Runs cargo test on crates/ and fails if no test ran. Excludes core, whose exhaustive walks take minutes here: it
# forbids unsafe code, has no threads, and is covered by Miri and the fuzz target.
test_crates() { # SANITIZER CARGO-ARGUMENTS...
  local log total
  log=$(mktemp)
  CARGO_TARGET_DIR=$target/$1 cargo test --workspace --exclude sendfile64-core --lib --tests --target "$host" "${@:2}" 2>&1 | tee "$log"
  total=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
  rm -f "$log"
  ((total >= 100)) || die "$1: only $total tests ran"
  echo "sanitizers: $1: $total tests, no report"
}

asan() {
  RUSTFLAGS='-Zsanitizer=address' ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 test_crates asan
}

tsan() {
  if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
    command -v rustup >/dev/null || die 'the sources of std are needed: rustup component add rust-src'
    rustup -q component add rust-src
  fi
  # Synchronization inside an uninstrumented std would be invisible, and every hand-over a false race.
  RUSTFLAGS='-Zsanitizer=thread' TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1 test_crates tsan -Zbuild-std
}

# The runtime as a shared library, to be loaded before Node's allocator; rustc ships only an archive.
find_runtime() {
  find /usr/lib -path '*/clang/*' -name "libclang_rt.asan-${host%%-*}.so" 2>/dev/null | sort -V | tail -n 1
}

install_runtime() {
  local package root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  if ! command -v apt-get >/dev/null || ! "${root[@]}" true; then
    die "install clang's compiler-rt first (Debian, Ubuntu: libclang-rt-19-dev)"
  fi
  "${root[@]}" apt-get -o DPkg::Lock::Timeout=120 update -qq
  package=$(apt-cache pkgnames libclang-rt- | grep -E '^libclang-rt-[0-9]+-dev$' | sort -V | tail -n 1)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -qq -y \
    --no-install-recommends "$package" >/dev/null
}

addon() {
  local folder=$target/asan-addon runtime library specs
  runtime=$(find_runtime)
  if [ -z "$runtime" ]; then
    install_runtime
    runtime=$(find_runtime)
    [ -n "$runtime" ] || die 'no libclang_rt.asan-*.so found'
  fi
  # The ordinary addon, which lib/native/load.ts finds before the sanitized one replaces it
  if ! compgen -G 'sendfile64.*.node' >/dev/null; then
    env -u RUSTC_BOOTSTRAP npm run --silent build:native
  fi
  RUSTFLAGS='-Zsanitizer=address' CARGO_TARGET_DIR=$folder cargo build --package sendfile64-binding --target "$host"
  library=$folder/sendfile64.node
  cp "$folder/$host/debug/libsendfile64_binding.so" "$library"
  rm -f "$folder"/report.*
  # The permission model would also have to permit the preloaded file; its specs do not test memory
  read -ra specs <<<"${SANITIZERS_SPECS:-__test__/contract/*.spec.ts __test__/lifecycle/!(permission).spec.ts}"
  # Node frees little at exit: the tests of the crates check leaks. Reports go to files, because the specs do not print
  # the output of their child processes.
  (
    export LD_PRELOAD=$runtime SENDFILE64_SANITIZED=$library
    export NODE_OPTIONS="${NODE_OPTIONS:-} --import=$PWD/scripts/analyse/sanitized-addon.mjs"
    export ASAN_OPTIONS=detect_leaks=0:log_path=$folder/report:detect_stack_use_after_return=1
    node -e "require('$(compgen -G "$PWD/sendfile64.*.node" | head -1)'); process.exit(fs.readFileSync('/proc/self/maps', 'utf8').includes('$library') ? 0 : 1)" ||
      die 'addon: another one was loaded'
    node node_modules/ava/entrypoints/cli.mjs --timeout=3m "${specs[@]}"
  ) || { cat "$folder"/report.* 2>/dev/null || true; die 'addon: the specs failed'; }
  if compgen -G "$folder/report.*" >/dev/null; then
    cat "$folder"/report.*
    die 'addon: see the reports above'
  fi
  echo 'sanitizers: addon: no report'
}

(($#)) || set -- asan tsan addon
for part in "$@"; do
  [[ $part =~ ^(asan|tsan|addon)$ ]] || die "unknown part '$part': asan, tsan or addon"
done
for part in "$@"; do
  started=$SECONDS
  "$part"
  echo "sanitizers: $part took $((SECONDS - started)) s"
done
