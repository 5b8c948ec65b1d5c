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
# What the package lists call it now; they are fetched anew where there are none, or where what they name has gone.
fetch() {
  image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
  [ -n "$image" ] && (cd "$work" && apt-get download -q -o APT::Sandbox::User=root "$image" >/dev/null)
}
echo "Fetching Debian's cloud kernel for the tests"
fetch || { apt-get update -q >/dev/null && fetch; }
dpkg-deb -x "$work"/linux-image-*.deb "$work/root"
rm -rf "$target" && mkdir -p "$target/modules"
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk libcrc32c \
  dm-mod dm-bufio dm-bio-prison dm-persistent-data dm-thin-pool; do
  find "$work/root/lib/modules" -name "$module.ko" -exec cp {} "$target/modules/" \;
done
cp "$work"/root/boot/vmlinuz-* "$target/vmlinuz"
