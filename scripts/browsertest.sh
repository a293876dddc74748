#!/usr/bin/env bash
# The pages in a real browser, against the lab. Screenshots are left in
# build/screenshots.
set -euo pipefail
cd "$(dirname "$0")/../web/browsertest"
[ -x ../../build/lab ] || { echo "browsertest: run make build first" >&2; exit 1; }
npm ci --no-audit --no-fund --silent
npm test --silent
