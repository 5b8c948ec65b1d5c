#!/usr/bin/env bash
# Unpacks Debian's cloud kernel, with its modules, into .cache/kernel: what the tests boot in QEMU to ask the real dm-thin.
# It is never installed on the machine. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
target=.cache/kernel
[ -e "$target/vmlinuz" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
[ -n "$image" ] || { apt-get update -q >/dev/null; image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }'); }
echo "Fetching the kernel package $image"
(cd "$work" && apt-get download -q "$image" >/dev/null 2>&1)
dpkg-deb -x "$work"/linux-image-*.deb "$work/root"
rm -rf "$target" && mkdir -p "$target/modules"
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk libcrc32c \
  dm-mod dm-bufio dm-bio-prison dm-persistent-data dm-thin-pool; do
  find "$work/root/lib/modules" -name "$module.ko" -exec cp {} "$target/modules/" \;
done
cp "$work"/root/boot/vmlinuz-* "$target/vmlinuz"
