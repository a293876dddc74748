#!/usr/bin/env bash
# The tests that need a kernel of Debian's: they run in a guest under QEMU
# (cmd/guest), on the kernel of Debian 12 and on that of Debian 13.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
scripts/kernels.sh bookworm trixie
go build -o build/guest ./cmd/guest
# What happens to a guest in trouble.
go test -count=1 -tags qemu ./cmd/guest
for suite in bookworm trixie; do
  echo "test-kernel: the firewall on the kernel of $suite"
  build/guest --kernel "build/kernel/$suite" --timeout 5m ./firewall -test.run '^TestKernel'
done
