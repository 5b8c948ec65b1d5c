#!/usr/bin/env bash
# A thin pool, a volume and two snapshots, as articles about Docker's storage make them with dmsetup: here without the kernel's device mapper.
#
#   sudo examples/walk-through.sh
#
# Needs root, FUSE and loop devices. Everything is removed at the end; MICA names another mica than this one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
MICA=${MICA:-$here/../bin/mica}

sudo() { "$@"; } # run as root: it is not needed, and may not be there
ll() { ls -l "$@"; }
dmsetup() { "$MICA" dmsetup --device-mapper userspace "$@"; }

clean_up() {
  set +e
  for name in mysnap2 mysnap1 base; do
    mountpoint -q "/mnt/$name" && umount "/mnt/$name"
    [ -d "/mnt/$name" ] && rmdir "/mnt/$name"
  done
  for name in mysnap2 mysnap1 hchen-thin-volumn-001 hchen-thin-pool; do
    dmsetup info "$name" >/dev/null 2>&1 && dmsetup remove "$name"
  done
  for loop in /dev/loop2015 /dev/loop2016; do
    losetup "$loop" >/dev/null 2>&1 && losetup -d "$loop"
  done
  local sound=0
  if command -v thin_check >/dev/null; then
    thin_check /tmp/meta.data.img
    sound=$?
  fi
  rm -f /tmp/data.img /tmp/meta.data.img
  [ "$sound" = 0 ] || exit "$sound"
}
for path in /tmp/data.img /tmp/meta.data.img /mnt/base /mnt/mysnap1 /mnt/mysnap2; do
  [ ! -e "$path" ] || { echo "Cannot begin: $path is there already" >&2; exit 1; }
done
trap clean_up EXIT
set -x

sudo dd if=/dev/zero of=/tmp/data.img bs=1K count=1 seek=10M
sudo dd if=/dev/zero of=/tmp/meta.data.img bs=1K count=1 seek=1G
sudo ls -lsh /tmp/data.img
sudo ls -slh /tmp/meta.data.img
sudo losetup /dev/loop2015 /tmp/data.img
sudo losetup /dev/loop2016 /tmp/meta.data.img

sudo dmsetup create hchen-thin-pool \
  --table "0 20971522 thin-pool /dev/loop2016 /dev/loop2015 128 65536 1 skip_block_zeroing"
sudo ll /dev/mapper/hchen-thin-pool

sudo dmsetup message /dev/mapper/hchen-thin-pool 0 "create_thin 0"
sudo dmsetup create hchen-thin-volumn-001 \
  --table "0 2097152 thin /dev/mapper/hchen-thin-pool 0"
sudo mkfs.ext4 /dev/mapper/hchen-thin-volumn-001
sudo mkdir -p /mnt/base
sudo mount /dev/mapper/hchen-thin-volumn-001 /mnt/base
sudo echo "hello world, I am a base" > /mnt/base/id.txt
sync # as below

sudo dmsetup message /dev/mapper/hchen-thin-pool 0 "create_snap 1 0"
sudo dmsetup create mysnap1 \
  --table "0 2097152 thin /dev/mapper/hchen-thin-pool 1"
sudo mkdir -p /mnt/mysnap1
sudo mount /dev/mapper/mysnap1 /mnt/mysnap1
sudo echo "I am snap1" >> /mnt/mysnap1/id.txt
sudo echo "I am snap1" > /mnt/mysnap1/snap1.txt
sync # the article's author takes a while to type; a message to a pool writes no file system's memory out

cat /mnt/base/id.txt
ls /mnt/base

sudo dmsetup message /dev/mapper/hchen-thin-pool 0 "create_snap 2 1"
sudo dmsetup create mysnap2 \
  --table "0 2097152 thin /dev/mapper/hchen-thin-pool 2"
sudo mkdir -p /mnt/mysnap2
sudo mount /dev/mapper/mysnap2 /mnt/mysnap2
cat /mnt/mysnap2/id.txt /mnt/mysnap2/snap1.txt
dmsetup status
dmsetup table
