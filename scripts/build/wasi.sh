#!/usr/bin/env bash
# Builds the single-threaded WASI flavor (wasm32-wasip1) into the root folder. Idempotent.
# usage: scripts/build/wasi.sh [-- napi build flag ...]
#   1. the active rustc already has the target's std  -> plain build
#   2. `rustup target add` works                      -> plain build (developer machine, CI)
#   3. Debian bookworm only: std is built once from apt's rust-web-src into a cache folder
# WASI_STD=auto|rustup|debian selects one of these; WASI_STD_CACHE moves the cache.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
target=wasm32-wasip1 mode=${WASI_STD:-auto}
say() { printf 'build-wasi: %s\n' "$*" >&2; }

# napi-build needs these two from the sysroot of $RUSTC
has_std() {
  local dir
  dir=$("$1" --print target-libdir --target "$target" 2>/dev/null) || return 1
  compgen -G "$dir/libstd-*.rlib" >/dev/null && [ -f "$dir/self-contained/crt1-reactor.o" ]
}

rustup_std() {
  command -v rustup >/dev/null || return 1
  timeout "${WASI_RUSTUP_TIMEOUT:-180}" rustup -q target add "$target" >/dev/null 2>&1 || return 1
  has_std "$1"
}

debian_packages() {
  local missing=() name sudo=()
  for name in rustc-web cargo-web rust-web-src wasi-libc lld-19; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  say "apt-get install ${missing[*]}"
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 \
    install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# Debian removes cc, windows-sys and rand from the vendored sources: removes their dependents, then builds std.
compile_std() { # SOURCES WORK
  cp -r "$1" "$2/library"
  (
    cd "$2/library"
    sed -i '/"coretests",/d;/"alloctests",/d' Cargo.toml
    for crate in std alloc core; do sed -i '/^\[dev-dependencies\]/,/^$/d' "$crate/Cargo.toml"; done
    sed -i 's/^cc = .*optional = true }$//; s/^c = \["dep:cc"\]/c = []/' compiler-builtins/compiler-builtins/Cargo.toml
    sed -i '/^profiler/d' sysroot/Cargo.toml
    rm -f Cargo.lock
    mkdir -p .cargo
    printf '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "%s"\n' "$PWD/vendor" >.cargo/config.toml
    env -u CARGO_ENCODED_RUSTFLAGS -u RUSTUP_TOOLCHAIN RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
      __CARGO_DEFAULT_LIB_METADATA=stablestd \
      RUSTFLAGS="-Zforce-unstable-if-unmarked -Cpanic=abort -Cembed-bitcode=yes" \
      /usr/bin/cargo build -q --offline --release --target "$target" -p sysroot --features panic-unwind \
      --manifest-path sysroot/Cargo.toml --target-dir "$2/target" >&2
  )
}

assemble_sysroot() { # WORK OUT
  local lib=$1/new/sysroot/lib/rustlib libc=/usr/lib/wasm32-wasi host
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  mkdir -p "$lib/$target/lib/self-contained"
  ln -s "/usr/lib/rustlib/$host" "$lib/$host"
  cp "$1/target/$target"/release/deps/*.rlib "$lib/$target/lib/"
  cp "$libc"/{crt1-command.o,crt1-reactor.o,libc.a} "$lib/$target/lib/self-contained/"
  # a wrapper, because napi-build calls `$RUSTC --print sysroot`
  printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$2/sysroot" >"$1/new/rustc"
  chmod +x "$1/new/rustc"
  touch "$1/new/ok"
}

debian_std() { # exports RUSTC, CARGO and the linker
  debian_packages
  local version sources base out work
  version=$(dpkg-query -W -f='${Version}' rustc-web)-$(dpkg-query -W -f='${Version}' wasi-libc)
  sources=$(printf '%s\n' /usr/src/rustc-1.*/library | sort -V | tail -1)
  base=${WASI_STD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sendfile64-wasi-std}
  out=$base/$(printf %s "$version" | tr -c 'A-Za-z0-9.\n' _)
  if [ ! -f "$out/ok" ]; then
    say "building the std of $target into $out (once, 1-2 min)"
    mkdir -p "$base"
    work=$(mktemp -d "$base/tmp.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    compile_std "$sources" "$work"
    assemble_sysroot "$work" "$out"
    rm -rf "$out"
    mv "$work/new" "$out"
    rm -rf "$work"
    trap - EXIT
  fi
  export RUSTC=$out/rustc CARGO=/usr/bin/cargo CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld-19
  # another compiler: its fingerprints must not be mixed with those of rustup
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/wasi-debian
}

rustc=${RUSTC:-rustc}
if [ "$mode" != debian ] && has_std "$rustc"; then
  say "using $("$rustc" -V)"
elif [ "$mode" != debian ] && rustup_std "$rustc"; then
  say "rustup target add $target: done"
elif [ "$mode" != rustup ] && command -v apt-get >/dev/null && grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
  debian_std
  say "using Debian's $("$RUSTC" -V)"
  has_std "$RUSTC"
else
  say "no std for $target: run 'rustup target add $target'"
  exit 1
fi

# The loader that napi-rs generates, with the runtime it requires, becomes one file: the package has no dependency.
out=target/wasi-out
rm -rf "$out"
CARGO_PROFILE_RELEASE_OPT_LEVEL=z npx --no-install napi build --platform --release --target "$target" \
  --manifest-path crates/binding/Cargo.toml --package sendfile64-binding \
  --output-dir "$out" --js binding.cjs --dts binding.d.cts --no-const-enum "$@"

# An export missing in the WASI flavor would be undefined in JavaScript: both flavors export the same names.
declared() { grep -vE '^ *(/?\*|//|$)|__napiBindingTarget' "$1"; }
if [ -f binding.d.cts ] && ! diff <(declared binding.d.cts) <(declared "$out/binding.d.cts") >&2; then
  say "the native addon and the wasm flavor declare different exports"
  exit 1
fi
rm -f ./*.wasip1* ./*."$target"*.wasm*
node scripts/build/bundle-wasi.mjs "$out/sendfile64.wasip1.cjs" .
