#!/usr/bin/env bash
# Builds the programs that time Docker's devicemapper driver and containerd's snapshotter (bench/peers), from Debian's sources of
# both, into .cache/bench. Does nothing when that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
peers=$PWD/bench/peers
work=$PWD/.cache/bench
programs=("$work/docker-driver" "$work/containerd-snapshotter")

newest=$(ls -t "$peers"/*/*.go | head -1)
if [ -x "${programs[0]}" ] && [ -x "${programs[1]}" ] && [ ! "$newest" -nt "${programs[0]}" ] && [ ! "$newest" -nt "${programs[1]}" ]; then
  exit 0
fi

bash scripts/fetch-docker-source.sh
mkdir -p "$work/gopath/src/github.com/docker"
ln -sfn "$PWD/.cache/docker.io/engine" "$work/gopath/src/github.com/docker/docker"
ln -sfn "$peers" "$work/gopath/src/mica-bench"
export GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode GOCACHE=$work/gocache GOFLAGS=
echo "Building the peers of the benchmark in the kernel"
go build -tags exclude_graphdriver_btrfs -o "${programs[0]}" mica-bench/docker
go build -o "${programs[1]}" mica-bench/containerd
