#!/usr/bin/env bash
# Fetches Debian's kernels for the guest of make test-kernel into build/kernel,
# one directory for each suite named: vmlinux, unpacked here because a guest
# without KVM takes seconds for it, and below lib/modules what a gateway could
# need. Nothing is installed: the host keeps its own kernel. An
# apt of its own (lists and cache below build/) finds other suites than the
# host's, by the host's mirror, and needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

# What is kept of kernel/.
kept=(net/{core,ipv4,ipv6,netfilter,xfrm,key,8021q,bridge,llc,802,sched,packet,unix,l2tp,tls,netlink,mpls}
  crypto arch/x86/crypto lib/{crypto,libcrc32c.ko*,crc*.ko*,ts_*.ko*}
  drivers/net/{ppp,slip,bonding,wireguard,ipvlan,vxlan,dummy.ko*,ifb.ko*,macvlan.ko*,macvtap.ko*,tap.ko*,tun.ko*,veth.ko*,vrf.ko*,nlmon.ko*})

# unpack writes the kernel that is compressed inside a vmlinuz.
unpack() {
  local at
  if at=$(LC_ALL=C grep -abo -m 1 -P '\xfd7zXZ\x00' "$1" | head -n 1 | cut -d : -f 1) && [ -n "$at" ]; then
    tail -c "+$((at + 1))" "$1" | xz -dc --single-stream 2>/dev/null || true
  elif at=$(LC_ALL=C grep -abo -m 1 -P '\x28\xb5\x2f\xfd' "$1" | head -n 1 | cut -d : -f 1) && [ -n "$at" ]; then
    tail -c "+$((at + 1))" "$1" | zstd -dcq 2>/dev/null || true
  fi
}

fetch() {
  local suite=$1 here=$PWD/build/kernel/$1 apt=$PWD/build/kernel/apt-$1
  local ready=$here/ready-3 # another number when what is kept changes
  [ -e "$ready" ] && return
  echo "kernels: fetching the kernel of Debian $suite"
  local mirror
  mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    sed -n 's/^main \(.*\/debian\/\?\)$/\1/p' | head -n 1)
  [ -n "$mirror" ] || { echo "kernels: no mirror of Debian among this host's apt sources" >&2; exit 1; }
  rm -rf "$here" "$apt"
  mkdir -p "$here" "$apt"/{lists/partial,cache/archives/partial}
  echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
  local own=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$apt/lists"
    -o "Dir::Cache=$apt/cache" -o Dir::State::Status=/dev/null -o APT::Architecture=amd64 -o APT::Sandbox::User=
    -o Acquire::Languages=none -o Acquire::Retries=3)
  apt-get "${own[@]}" update
  local package
  package=$(apt-cache "${own[@]}" depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
  [ -n "$package" ] || { echo "kernels: $suite has no linux-image-amd64" >&2; exit 1; }
  (cd "$apt" && apt-get "${own[@]}" download "$package")
  dpkg-deb --fsys-tarfile "$apt"/linux-image-*.deb | tar -x -C "$apt" --exclude='*/sound/*' --exclude='*/drivers/gpu/*'
  unpack "$apt"/boot/vmlinuz-* >"$here/vmlinux"
  [ -s "$here/vmlinux" ] || { echo "kernels: cannot unpack the kernel of $suite" >&2; exit 1; }
  local modules release
  modules=$(find "$apt/lib/modules" "$apt/usr/lib/modules" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1 || true)
  release=${modules##*/}
  local to=$here/lib/modules/$release/kernel
  mkdir -p "$to"
  cp "$modules"/modules.{builtin,builtin.modinfo,order} "$to/.."
  # Not every kernel has each of them.
  (cd "$modules/kernel" && { find ${kept[@]} -name '*.ko*' -print0 2>/dev/null || true; } | tar -c --null -T -) | tar -x -C "$to"
  depmod -b "$here" "$release"
  rm -rf "$apt"
  touch "$ready"
}

for suite in "$@"; do fetch "$suite"; done
