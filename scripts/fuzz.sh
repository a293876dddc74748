#!/usr/bin/env bash
# Runs every fuzz target of the project: "20000x" inputs each, or for a time
# such as "10m". Counting is for tests: with a time, Go itself now and then fails
# a target whose time ends while a worker is busy ("context deadline exceeded").
set -euo pipefail
each=${1:-20000x}
count=0
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz $package $target"
    count_of=$each
    # One input of these is a whole policy with a hundred packets.
    case $target in FuzzGrouping | FuzzDeciderFirstMatch | FuzzTheSPDIsObeyed) count_of=${each/%000x/00x} ;; esac
    out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$count_of" -fuzzminimizetime 1x "$package" 2>&1) || { echo "$out"; exit 1; }
    tail -n 1 <<<"$out"
    count=$((count + 1))
  done
done
[ "$count" -gt 0 ] || { echo "fuzz: no target found" >&2; exit 1; }
echo "fuzz: $count targets ran"
