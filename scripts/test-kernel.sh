#!/usr/bin/env bash
# The tests that need a kernel of Debian's: they run in guests under QEMU
# (cmd/guest), on the kernel of Debian 12 and on that of Debian 13. A guest has one
# processor, so two of them run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
scripts/kernels.sh bookworm trixie
go build -o build/guest ./cmd/guest

# firewall KERNEL FLAGS... PATTERN
firewall() {
  local out=build/kernel/firewall-$1.log
  if ! build/guest --kernel "build/kernel/$1" --timeout 8m "${@:2:$#-2}" ./firewall -test.run "${*: -1}" >"$out" 2>&1; then
    echo "test-kernel: the firewall on the kernel of $1 failed:"
    cat "$out"
    return 1
  fi
  echo "ok  	the firewall on the kernel of $1: ${*:2}"
}

failed=0
firewall bookworm '^TestKernel' &
firewall trixie '^TestKernel' || failed=1
wait $! || failed=1
# What happens to a guest in trouble.
go test -count=1 -tags qemu ./cmd/guest &
firewall trixie --without nft_connlimit,nft_flow_offload '^TestLacking' || failed=1
wait $! || failed=1
exit "$failed"
