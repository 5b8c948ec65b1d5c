# What every recipe for a Docker graph uses, after the functions of test/kernel/docker.ts. $OUT is the maker's folder.
export LC_ALL=C.UTF-8
mkdir -p "$OUT/facts"

# fact NAME COMMAND…: what the command prints becomes that fact: NAME.json one JSON, NAME.jsonl one JSON a line, NAME.txt lines.
fact() { local name=$1; shift; "$@" >"$OUT/facts/$name"; }

# The image that all others stand on: one program, and a few files to change later.
import_base() {
  local root=$SCRATCH/base i
  mkdir -p "$root"/{bin,etc,data/deep/deeper,data/gone/inner,data/replaced,dev,proc,sys}
  cp "$OUT/wait" "$root/bin/wait"
  echo "the base image" >"$root/etc/name"
  for i in 1 2 3 4 5 6 7 8 9; do seq "$i" 400 >"$root/data/file$i"; done
  head -c 5000 /dev/urandom >"$root/data/deep/random"
  head -c 200000 /dev/zero >"$root/data/zeroes"
  echo inner >"$root/data/gone/inner/file"
  echo one >"$root/data/replaced/one"
  echo two >"$root/data/replaced/two"
  ln "$root/data/file9" "$root/data/deep/linked"
  ln -s ../etc/name "$root/data/symbolic"
  tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["/bin/wait"]' --message base - base:1 >/dev/null
}

# The folder where Docker has the root of a running container.
root_of() { echo "/var/lib/docker/devicemapper/mnt/$(docker inspect --format '{{.GraphDriver.Data.DeviceName}}' "$1" | sed 's/.*-//')/rootfs"; }

# change CONTAINER: runs the commands on standard input with the container's root as working folder, as if it had done so.
change() {
  docker start "$1" >/dev/null
  (cd "$(root_of "$1")" && bash -e -s)
}

# What Docker says of its images and containers.
record_docker() {
  local name id
  fact version.txt docker version --format '{{.Server.Version}}'
  fact driver-status.json docker info --format '{{json .DriverStatus}}'
  fact images.jsonl docker images --all --no-trunc --format '{{json .}}'
  fact ps.jsonl docker ps --all --no-trunc --format '{{json .}}'
  fact image-inspect.json docker image inspect $(docker images --all --quiet --no-trunc | sort -u)
  if [ -n "$(docker ps --all --quiet)" ]; then
    docker container inspect --size $(docker ps --all --quiet --no-trunc) | jq 'map(del(.HostConfig, .NetworkSettings))' \
      >"$OUT/facts/container-inspect.json"
  fi
  for name in "$@"; do fact "diff-$name.txt" docker diff "$name"; done
  for id in $(docker images --all --quiet --no-trunc | sort -u); do
    fact "history-${id#sha256:}.jsonl" docker history --no-trunc --format '{{json .}}' "$id"
  done
  docker save --output "$OUT/saved.tar" $(docker images --format '{{.Repository}}:{{.Tag}}')
}

# What the kernel says of Docker's pool and its devices.
record_pool() {
  pool=$(docker info --format '{{index (index .DriverStatus 0) 1}}')
  fact pool-table.txt dmsetup table "$pool"
  fact pool-status.txt dmsetup status "$pool"
}

# record_tree NAME DEVICE: every file of an image's or a container's device, read through the kernel's own file system.
record_tree() {
  local id bytes options=ro,noload
  id=$(jq .device_id "/var/lib/docker/devicemapper/metadata/$2")
  bytes=$(jq .size "/var/lib/docker/devicemapper/metadata/$2")
  [ "$(jq -r .BaseDeviceFilesystem /var/lib/docker/devicemapper/metadata/deviceset-metadata)" = ext4 ] || options=ro,nouuid,norecovery
  dmsetup create tree --readonly --table "0 $((bytes / 512)) thin /dev/mapper/$pool $id"
  mkdir -p "$SCRATCH/tree" && mount -o "$options" /dev/mapper/tree "$SCRATCH/tree"
  fact "tree-$1.json" node "$DESCRIBE" "$SCRATCH/tree/rootfs"
  umount "$SCRATCH/tree" && dmsetup remove tree
}

# The device of an image's top layer, by its name.
layer_device() {
  local layer chain=
  for layer in $(docker image inspect --format '{{range .RootFS.Layers}}{{.}} {{end}}' "$1"); do
    if [ -z "$chain" ]; then chain=$layer; else chain=sha256:$(printf '%s %s' "$chain" "$layer" | sha256sum | cut -c1-64); fi
  done
  cat "/var/lib/docker/image/devicemapper/layerdb/sha256/${chain#sha256:}/cache-id"
}

# The device of a container, by its name.
container_device() { docker inspect --format '{{.GraphDriver.Data.DeviceName}}' "$1" | sed 's/.*-//'; }

# Packs the graph as it is at this moment, also while it is in use, as a power cut would leave it. More folders may be named.
pack_graph() {
  tar -C /var/lib/docker --numeric-owner --sparse --hole-detection=raw --exclude='*.sock' -cf "$OUT/graph.tar" \
    devicemapper/metadata image containers volumes "$@"
}

# pack_after_power_cut: nothing more is written to the disk with the graph until it is packed, and what is only in memory is lost.
pack_after_power_cut() {
  fsfreeze --freeze "$SCRATCH/docker-disk"
  pack_graph devicemapper/devicemapper
  fsfreeze --unfreeze "$SCRATCH/docker-disk"
}

# Where the loopback files are that most recipes use.
loopback_options="--storage-opt dm.loopdatasize=1G --storage-opt dm.loopmetadatasize=16M"

# The devices that the pool has, whoever knows them: its metadata device or file is given.
record_pool_devices() { thin_dump "$2" | grep '<device' >"$OUT/facts/$1.txt"; }
