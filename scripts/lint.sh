#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
unformatted=$(git ls-files '*.go' | xargs -r gofmt -l)
[ -z "$unformatted" ] || { echo "lint: not gofmt-ed: $unformatted" >&2; exit 1; }
go vet ./...
go run "$STATICCHECK" ./...
# No path of a developer's machine may be in the tree.
if git grep -nE '(^|[^a-zA-Z0-9_./])/(work|root|home)/[a-z]' -- ':!scripts/lint.sh' ':!LICENSE'; then
  echo "lint: an absolute path of a machine is in the tree" >&2
  exit 1
fi
out=$(go run "$GOVULNCHECK" ./... 2>&1) && { echo "$out" | tail -n 3; exit 0; }
if grep -qE 'dial tcp|no such host|fetching vulnerabilities|HTTP|connection refused' <<<"$out"; then
  echo "lint: govulncheck cannot reach its database here, so known vulnerabilities were not checked"
  exit 0
fi
echo "$out" >&2
exit 1
