#!/usr/bin/env bash
# Builds containerd's own suite for snapshotters, to be run against Mica's (test/containerd-conformance), from Debian's Go sources into
# .cache/containerd-conformance. Does nothing when that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=$PWD/test/containerd-conformance
work=$PWD/.cache/containerd-conformance
program=$work/conformance
if [ -x "$program" ] && [ ! "$tests/conformance_test.go" -nt "$program" ]; then
  exit 0
fi
mkdir -p "$work/gopath/src"
ln -sfn "$tests" "$work/gopath/src/mica-containerd-conformance"
echo "Building containerd's suite for snapshotters"
# Static, as it also runs in a kernel with a small system around it.
CGO_ENABLED=0 GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode GOCACHE=$work/gocache GOFLAGS= \
  go test -c -o "$program" mica-containerd-conformance
rm -rf "$work/gocache"
