#!/usr/bin/env bash
# Every tier of tests. None skips itself: what cannot run fails.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
go vet ./...
go vet -tags guest,qemu ./...
# Never from Go's cache: the lab builds and runs the gatehouse binary, which the
# cache does not see.
go test -race -count=1 -timeout 30m ./...
scripts/fuzz.sh 20000x
scripts/test-kernel.sh
scripts/browsertest.sh
