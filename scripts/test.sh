#!/usr/bin/env bash
# Every tier of tests. None skips itself: what cannot run fails.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
go vet ./...
go test -race -timeout 15m ./...
scripts/fuzz.sh 20000x
scripts/browsertest.sh
