#!/usr/bin/env bash
# Builds the programs that time Docker's devicemapper driver and containerd's snapshotter (bench/peers), from Debian's sources of
# both, into .cache/bench. Docker's source package is fetched through apt with lists of its own; the machine's stay as they are.
# Does nothing when that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
peers=$PWD/bench/peers
work=$PWD/.cache/bench
programs=("$work/docker-driver" "$work/containerd-snapshotter")

newest=$(ls -t "$peers"/*/*.go | head -1)
if [ -x "${programs[0]}" ] && [ -x "${programs[1]}" ] && [ ! "$newest" -nt "${programs[0]}" ] && [ ! "$newest" -nt "${programs[1]}" ]; then
  exit 0
fi

if [ ! -d "$work/docker.io/engine" ]; then
  echo "Fetching the source package of docker.io"
  mkdir -p "$work/apt/sources.list.d" "$work/apt/lists/partial" "$work/download"
  # Debian's own archives, as the machine has them, for sources.
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$list" ] && grep -q '/debian' "$list" || continue
    sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$list" >"$work/apt/sources.list.d/$(basename "$list")"
  done
  apt=(-q -o "Dir::Etc::sourcelist=-" -o "Dir::Etc::sourceparts=$work/apt/sources.list.d" -o "Dir::State::lists=$work/apt/lists"
    -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update >/dev/null
  (cd "$work/download" && apt-get "${apt[@]}" source --download-only docker.io >/dev/null)
  (cd "$work/download" && dpkg-source --no-check -x docker.io_*.dsc docker.io >/dev/null)
  mv "$work/download/docker.io" "$work/docker.io"
  rm -rf "$work/download" "$work/apt"
fi

mkdir -p "$work/gopath/src/github.com/docker"
ln -sfn "$work/docker.io/engine" "$work/gopath/src/github.com/docker/docker"
ln -sfn "$peers" "$work/gopath/src/mica-bench"
export GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode GOCACHE=$work/gocache GOFLAGS=
echo "Building the peers of the benchmark in the kernel"
go build -tags exclude_graphdriver_btrfs -o "${programs[0]}" mica-bench/docker
go build -o "${programs[1]}" mica-bench/containerd
