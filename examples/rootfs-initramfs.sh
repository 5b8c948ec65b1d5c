#!/usr/bin/env bash
# Makes the initramfs that boots a container's device: it mounts root= and goes on in the device's folder rootfs, where Docker's layout has a
# container's files; or in the device's own root, where there is no such folder.
# Usage: rootfs-initramfs.sh OUTPUT [MODULE.ko …]   Modules are inserted in their order. Needs busybox, linked statically, and cpio.
set -euo pipefail
output=$(realpath -m "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{bin,dev,proc,device,root,modules}
cp "$(command -v busybox)" "$work/bin/busybox"
number=0
for module in "$@"; do
  number=$((number + 1))
  cp "$module" "$work/modules/$(printf '%03d' $number)-$(basename "$module")"
done
cat >"$work/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do [ -e "$module" ] && insmod "$module"; done
root=/dev/vda init=/sbin/init mode=rw
for word in $(cat /proc/cmdline); do
  case $word in
    root=*) root=${word#root=} ;;
    init=*) init=${word#init=} ;;
    ro) mode=ro ;;
  esac
done
tries=0
while [ ! -b "$root" ] && [ $tries -lt 100 ]; do
  tries=$((tries + 1))
  usleep 50000
done
mount -o "$mode" "$root" /device
if [ -d /device/rootfs ]; then files=/device/rootfs; else files=/device; fi
mount --bind "$files" /root
umount /device /dev /proc
exec switch_root /root "$init"
INIT
chmod 755 "$work/init"
(cd "$work" && find . | cpio --quiet -o -H newc | gzip -1) >"$output"
