#!/usr/bin/env bash
# Makes a folder that `docker plugin create mica FOLDER` takes: config.json and the plugin's root file system.
# Usage: build.sh --image IMAGE FOLDER   of an image made with packaging/Dockerfile
#        build.sh --host FOLDER          of this machine's own node, programs and libraries, and this checkout as it is built; asks nobody
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$(cd "$here/../.." && pwd)

usage() {
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
}

# Copies a file with what it links to, under its own path.
take() {
  local path=$1 real
  real=$(realpath "$path")
  mkdir -p "$rootfs$(dirname "$path")"
  cp --no-clobber "$real" "$rootfs$path"
}

# A program, or a library, with all shared libraries it needs.
take_binary() {
  take "$1"
  take_libraries "$1"
}

take_libraries() {
  local library
  for library in $(ldd "$(realpath "$1")" | sed -nE 's/^.*[[:space:]](\/[^ ]+) \(0x.*$/\1/p'); do take "$library"; done
}

from_host() {
  local program libraries entry
  # A merged /usr, as Debian has it: whichever path a program asks for, it is there.
  for entry in bin sbin lib lib64; do mkdir -p "$rootfs/usr/$entry" && ln -s "usr/$entry" "$rootfs/$entry"; done
  for program in env node sh rm sleep sync mkdir mount umount grep find mkfs.ext4 tune2fs resize2fs e2fsck debugfs mkfs.xfs xfs_growfs thin_check; do
    take_binary "$(PATH=$PATH:/usr/sbin:/sbin command -v "$program")"
  done
  libraries=/usr/lib/$(uname -m)-linux-gnu
  take_binary "$libraries/libarchive.so.13"
  take_binary "$libraries/libdevmapper.so.1.02.1"
  # Names in layers are UTF-8.
  mkdir -p "$rootfs/usr/lib/locale" && cp -r /usr/lib/locale/C.utf8 "$rootfs/usr/lib/locale/"
  take /etc/mke2fs.conf
  mkdir -p "$rootfs/opt/mica/node_modules" "$rootfs/usr/local/bin"
  cp -r "$package/bin" "$package/dist" "$package/package.json" "$rootfs/opt/mica/"
  find "$rootfs/opt/mica/dist" -name '*.map' -delete
  # All other packages are in dist/ already.
  for entry in koffi @koromix @node-rs; do cp -rL "$package/node_modules/$entry" "$rootfs/opt/mica/node_modules/"; done
  find "$package/node_modules/@koromix/" "$package/node_modules/@node-rs/" -name '*.node' -type f | while read -r program; do take_libraries "$program"; done
  ln -s /opt/mica/bin/mica "$rootfs/usr/local/bin/mica"
}

from_image() {
  local container
  container=$(docker create "$1")
  docker export "$container" | tar --extract --directory "$rootfs"
  docker rm "$container" >/dev/null
}

case "${1:-}:$#" in
  --host:2) folder=$2 ;;
  --image:3) folder=$3 ;;
  *) usage ;;
esac
if [ -e "$folder" ]; then
  echo "build.sh: $folder is there already; name another folder, or remove it" >&2
  exit 1
fi
rootfs=$folder/rootfs
mkdir -p "$rootfs"
case $1 in
  --host) from_host ;;
  --image) from_image "$2" ;;
esac
mkdir -p "$rootfs"/{dev,proc,sys,state,run/docker/plugins,tmp,var/lib/mica}
install -m 755 "$here/init" "$rootfs/init"
install -m 644 "$here/config.json" "$folder/config.json"
