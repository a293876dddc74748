#!/usr/bin/env bash
# Runs every fuzz target of the project for the given time each.
set -euo pipefail
time=${1:-3s}
count=0
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$package" | tail -n 1
    count=$((count + 1))
  done
done
[ "$count" -gt 0 ] || { echo "fuzz: no target found" >&2; exit 1; }
echo "fuzz: $count targets ran"
