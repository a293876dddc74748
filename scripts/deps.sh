#!/usr/bin/env bash
# Installs what building and testing need from Debian, and only what is
# missing. Needs root or sudo for that; without either it says what is missing.
set -euo pipefail

# command: the Debian package that brings it
wanted=(
  gcc:gcc make:make git:git curl:curl
  nft:nftables ip:iproute2 ping:iputils-ping tcpdump:tcpdump iperf3:iperf3
  chromium:chromium
  charon-systemd:charon-systemd swanctl:strongswan-swanctl newuidmap:uidmap
  qemu-system-x86_64:qemu-system-x86 depmod:kmod xz:xz-utils zstd:zstd
)
missing=()
PATH=$PATH:/usr/sbin:/sbin
for pair in "${wanted[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
[ -e /usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so ] || missing+=(libcharon-extra-plugins)
[ -e /usr/lib/ipsec/plugins/libstrongswan-openssl.so ] || missing+=(libstrongswan-standard-plugins)
[ -e /usr/lib/ipsec/plugins/libstrongswan-curve25519.so ] || missing+=(libstrongswan-extra-plugins)
command -v go >/dev/null || { echo "deps: Go 1.26 or later is needed; install it first" >&2; exit 1; }
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "deps: these Debian packages are missing, and there is neither root nor sudo to install them: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "deps: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
# The daemons are started by tests, in namespaces; none must run on this host.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
  apt-get install -qy --no-install-recommends "${missing[@]}"
