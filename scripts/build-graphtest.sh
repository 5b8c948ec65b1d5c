#!/usr/bin/env bash
# Builds Docker's own graph driver tests, to be run against the plugin (test/graphtest), from Debian's source package into
# .cache/graphtest. Does nothing when that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=$PWD/test/graphtest
work=$PWD/.cache/graphtest
program=$work/graphtest
if [ -x "$program" ] && [ ! "$tests/plugin_test.go" -nt "$program" ]; then
  exit 0
fi
bash scripts/fetch-docker-source.sh
mkdir -p "$work/gopath/src/github.com/docker"
ln -sfn "$PWD/.cache/docker.io/engine" "$work/gopath/src/github.com/docker/docker"
ln -sfn "$tests" "$work/gopath/src/mica-graphtest"
echo "Building Docker's graph driver tests"
GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode GOCACHE=$work/gocache GOFLAGS= \
  go test -c -tags exclude_graphdriver_btrfs -o "$program" mica-graphtest
rm -rf "$work/gocache"
