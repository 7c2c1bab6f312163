#!/usr/bin/env bash
# Builds the addons of the Linux targets on any Linux x64 host: usage: scripts/build/cross.sh [target ...]
# Needs rustup; zig and cargo-zigbuild on PATH, or python3 to fetch both from PyPI. Writes target/artifacts/*.node.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
needs rustup python3
# the oldest glibc that Node 20 itself runs on is 2.28; enterprise systems with 2.17 have unofficial builds
glibc=2.17 zig=0.17.1 zigbuild=0.24.0
tools=${CROSS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sendfile64-cross-$zig-$zigbuild} out=target/artifacts

if ! command -v zig >/dev/null || ! command -v cargo-zigbuild >/dev/null; then
  if [ ! -f "$tools/ok" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install -q "ziglang==$zig" "cargo-zigbuild==$zigbuild"
    ln -s "$("$tools/bin/python" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')/zig" "$tools/bin/zig"
    touch "$tools/ok"
  fi
  PATH=$tools/bin:$PATH
fi
# Builds of one commit in different folders must not differ
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
remap="--remap-path-prefix=$PWD=/sendfile64 --remap-path-prefix=$target_dir=/target"
remap+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export RUSTFLAGS="${RUSTFLAGS:-} $remap"

(($#)) || set -- x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-musl
mkdir -p "$out"
for target in "$@"; do
  rustup -q target add "$target"
  versioned=$target
  case $target in *-gnu) versioned=$target.$glibc ;; esac
  echo "cross-build: $versioned"
  npm run --silent build:native -- --target "$versioned" --cross-compile --output-dir "$out" --dts binding.d.cts
done
scripts/check/addons.sh "$out"
