#!/usr/bin/env bash
# The tests that need a kernel of Debian's: they run in guests under QEMU
# (cmd/guest), on the kernel of Debian 12 and on that of Debian 13. Most guests have
# one processor, so two of them run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
scripts/kernels.sh bookworm trixie
go build -o build/guest ./cmd/guest

# guest PACKAGE KERNEL FLAGS... PATTERN
guest() {
  local out=build/kernel/$(basename "$1")-$2.log try
  for try in 1 2; do
    if build/guest --kernel "build/kernel/$2" --timeout 10m "${@:3:$#-3}" "$1" -test.run "${*: -1}" >"$out" 2>&1; then
      echo "ok  	$1 on the kernel of $2: ${*:3}"
      return
    fi
    echo "test-kernel: $1 on the kernel of $2 failed:"
    cat "$out"
    # A guest whose host is busy loses time in jumps, and its waits run out. Such a
    # one is told from a fault by a second try, and the first stays in the output.
  done
  return 1
}

failed=0
guest ./firewall bookworm '^TestKernel' &
guest ./firewall trixie '^TestKernel' || failed=1
wait $! || failed=1
# The commands that the page shows for the other side of keys made by hand, typed
# into a plain Linux.
byhand=esp4,esp6,ah4,ah6,xfrm_interface,xfrm_user,tun,authenc,echainiv,seqiv,cbc,dummy
guest ./cmd/gatehouse bookworm --modules "$byhand" '^TestKernelExportedCommands' &
guest ./cmd/gatehouse trixie --modules "$byhand" '^TestKernel(ExportedAlgorithms|OtherKeys)' || failed=1
wait $! || failed=1
# The whole gateway, two of it, on the kernel's own IPsec.
office=esp4,esp6,xfrm_interface,xfrm_user,tun,veth,authenc,echainiv,seqiv,gcm,cbc,sha256_generic,bridge,nft_fib_inet,nfnetlink_log
PATH=$PWD/build:$PATH guest ./cmd/lab/office trixie --cpus 2 --memory 1500 --with gatehouse --modules "$office" '^TestKernelCarries' &
whole=$!
# What happens to a guest in trouble.
go test -count=1 -tags qemu ./cmd/guest &
trouble=$!
guest ./firewall trixie --without nft_connlimit,nft_flow_offload '^TestLacking' || failed=1
wait $trouble || failed=1
wait $whole || failed=1
# Both data planes of IPsec, against one another and against a plain Linux with ip
# xfrm: every transform, and every protocol, mode, nesting and family. What the
# kernel keeps across a restart, and moves with a peer. What arrives twice, late or
# forged, and what becomes of numbers that are used up.
modules=esp4,esp6,ah4,ah6,xfrm_interface,xfrm_user,tun,authenc,echainiv,seqiv,gcm,ccm,ctr,cbc,dummy
more='ARestart|KernelMoves|KernelPro|KernelSequence'
guest ./ipsec/xfrm bookworm --cpus 2 --modules "$modules" "EverySuite/(ip_xfrm_to_userspace|kernel_to_ip_xfrm)|EveryLink/(kernel_to_userspace|ip_xfrm_to_userspace)|$more" &
guest ./ipsec/xfrm trixie --cpus 2 --modules "$modules" "EverySuite/kernel_to_userspace|EveryLink/(userspace_to_kernel|kernel_to_ip_xfrm)|KernelReplays|KernelTraffic|$more" || failed=1
wait $! || failed=1
# Policies of both planes, with every selector: what they protect and what they
# discard, on the way out and on the way in.
guest ./ipsec/xfrm bookworm --modules "$modules" 'TellWhatTheyRefuse|WhatTheySay/kernel_to_userspace' &
guest ./ipsec/xfrm trixie --modules "$modules" 'WhatTheySay/userspace_to_kernel' || failed=1
wait $! || failed=1
exit "$failed"
