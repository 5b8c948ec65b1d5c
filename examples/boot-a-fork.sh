#!/usr/bin/env bash
# Makes two containers of one image and boots both, at once, as virtual machines: `one` from its block device, `two` by NBD. Each writes a file and
# powers off; the file is in its container afterwards. Run as root, after `npm start` or `npm run build`:
#   bash examples/boot-a-fork.sh
# KERNEL is the kernel to boot (default: the running one's, in /boot); MODULES what it needs for virtio disks and ext4 and has not built in, in
# order (default: what modprobe says). ACCEL is kvm or tcg. The graph is a temporary one and is removed at the end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mica=${MICA:-$here/../bin/mica}
version=$(uname -r)
kernel=${KERNEL:-/boot/vmlinuz-$version}
accel=${ACCEL:-$([ -w /dev/kvm ] && echo kvm || echo tcg)}
if [ -z "${MODULES+set}" ]; then
  MODULES=$(for module in virtio_pci virtio_blk ext4; do modprobe -S "$version" --show-depends $module; done |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
fi

work=$(mktemp -d)
export MICA_ROOT=$work/graph MICA_RUN_DIR=$work/run
cleanup() {
  "$mica" shutdown >/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# An image with a shell, and an init that writes a file and powers off. One of a distribution has an init of its own.
mkdir -p "$work"/files/{bin,sbin,proc,dev}
cp "$(command -v busybox)" "$work/files/bin/busybox"
ln -s busybox "$work/files/bin/sh"
cat >"$work/files/sbin/init" <<'INIT'
#!/bin/sh
busybox mount -t proc proc /proc
name=$(busybox sed 's/.*fork=\([a-z]*\).*/\1/' /proc/cmdline)
echo "I am fork $name, on Linux $(busybox uname -r)" >"/written-by-$name"
busybox sync
busybox mount -o remount,ro /
busybox poweroff -f
INIT
chmod 755 "$work/files/sbin/init"
tar -C "$work/files" -cf "$work/image.tar" .
"$mica" --storage-opt dm.basesize=1G --storage-opt dm.loopdatasize=10G import machine "$work/image.tar" >/dev/null
"$mica" create machine one >/dev/null
"$mica" create machine two >/dev/null

# shellcheck disable=SC2086 # a list of words
"$here/rootfs-initramfs.sh" "$work/initrd" $MODULES

boot() { # NAME DISK
  timeout "${BOOT_SECONDS:-120}" qemu-system-x86_64 -accel "$accel" -cpu max -m 256 -nic none -display none -no-reboot \
    -serial "file:$work/$1.console" -monitor none -kernel "$kernel" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 root=/dev/vda rw fork=$1" \
    -drive "file=$2,format=raw,if=virtio,cache=none,discard=unmap,detect-zeroes=unmap" ||
    { cat "$work/$1.console" >&2; return 1; }
}

boot one "$("$mica" attach one)" &
boot two "$("$mica" attach two --nbd "$work/two.sock")" &
for job in $(jobs -p); do wait "$job"; done

for name in one two; do
  "$mica" detach "$name"
  echo "$name: $("$mica" diff "$name" | tr '\n' ' ')"
  cat "$("$mica" mount "$name")/written-by-$name"
  "$mica" umount "$name"
done
