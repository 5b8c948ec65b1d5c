#!/usr/bin/env bash
# Makes a fresh Debian machine ready: Debian packages through apt, npm packages, the build.
# Usage: setup.sh runtime|test|bench. Does nothing that is already done, so a second run is quick.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-runtime}

go_sources=/usr/share/gocode/src/github.com
libraries=/usr/lib/$(uname -m)-linux-gnu
# command:package pairs; a package is installed only when its command or file is missing.
runtime=(mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs
  "$libraries/libarchive.so.13:libarchive13" "$libraries/libdevmapper.so.1.02.1:libdevmapper1.02.1"
  thin_check:thin-provisioning-tools)
test=(mount:mount tar:tar xz:xz-utils zstd:zstd fio:fio skopeo:skopeo openssl:openssl getfattr:attr setcap:libcap2-bin
  qemu-system-x86_64:qemu-system-x86 dmsetup:dmsetup busybox:busybox-static cpio:cpio
  linux.uml:user-mode-linux insmod:kmod cc:gcc /usr/include/stdio.h:libc6-dev setfacl:acl ip:iproute2
  lvm:lvm2 /lib/systemd/systemd-udevd:udev dockerd:docker.io containerd:containerd runc:runc jq:jq
  nbdcopy:libnbd-bin qemu-io:qemu-utils strace:strace
  kubectl:kubernetes-client mandoc:mandoc
  docker-registry:docker-registry
  go:golang-go "$go_sources/docker/go-connections:golang-github-docker-go-connections-dev"
  "$go_sources/vbatts/tar-split:golang-github-vbatts-tar-split-dev"
  "$go_sources/containerd/containerd/snapshots:golang-github-containerd-containerd-dev" dpkg-source:dpkg-dev)
bench=(fio:fio /usr/bin/time:time qemu-storage-daemon:qemu-system-common qemu-img:qemu-utils nbdkit:nbdkit nbdfuse:libnbd-bin
  linux.uml:user-mode-linux insmod:kmod cc:gcc /usr/include/stdio.h:libc6-dev dmsetup:dmsetup
  go:golang-go "$go_sources/containerd/containerd/snapshots:golang-github-containerd-containerd-dev"
  "$go_sources/docker/go-connections:golang-github-docker-go-connections-dev"
  "$go_sources/vbatts/tar-split:golang-github-vbatts-tar-split-dev"
  /usr/include/libdevmapper.h:libdevmapper-dev pkg-config:pkg-config dpkg-source:dpkg-dev
  dockerd:docker.io containerd:containerd runc:runc docker-registry:docker-registry skopeo:skopeo busybox:busybox-static)
wanted=("${runtime[@]}")
case $purpose in
  runtime) ;;
  test) wanted+=("${test[@]}") ;;
  bench) wanted+=("${bench[@]}") ;;
  *) echo "setup.sh: no such purpose: $purpose (runtime, test or bench)" >&2; exit 2 ;;
esac

missing=()
for pair in "${wanted[@]}"; do
  thing=${pair%%:*}
  if [[ $thing == /* ]]; then
    [ -e "$thing" ] || missing+=("${pair##*:}")
  else
    PATH=$PATH:/usr/sbin:/sbin command -v "$thing" >/dev/null || missing+=("${pair##*:}")
  fi
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "setup.sh: these Debian packages are missing and need root to install: ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q -o Dpkg::Use-Pty=0 >/dev/null
  apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
fi

if [ "$purpose" = test ]; then
  bash scripts/fetch-kernel.sh
  # Needs Debian's sources, which not every mirror has; without it, what wants it is skipped, and says so.
  bash scripts/build-graphtest.sh || echo "setup.sh: Docker's graph driver tests cannot be built here" >&2
  bash scripts/build-containerd-conformance.sh
fi
if [ "$purpose" = bench ]; then
  bash scripts/build-bench-peers.sh
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing npm packages"
  npm ci --no-progress --loglevel=error
fi
npm run --silent build
