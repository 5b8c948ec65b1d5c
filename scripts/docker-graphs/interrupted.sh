# A graph whose last transaction was cut off: the pool has made the snapshot, but Docker died before it wrote down what it is.
# The pool's files are on a disk of their own that stops taking writes: so the kernel's create_snap waits in its commit while
# Docker's own files can still be written; there Docker is killed, and the kernel, which cannot be, goes on to commit.
docker_disk 2G
scratch_disk pool-disk 1100M
mkdir -p /var/lib/docker/devicemapper && ln -s "$SCRATCH/pool-disk" /var/lib/docker/devicemapper/devicemapper
# Without a minimum of free space Docker does not ask for the pool's status first, which would wait too.
docker_start --storage-opt dm.fs=ext4 --storage-opt dm.basesize=64M --storage-opt dm.min_free_space=0% $loopback_options
import_base
docker create --name kept base:1 >/dev/null
echo copied >"$SCRATCH/copied" && docker cp "$SCRATCH/copied" kept:/data/copied
record_docker kept
record_pool
record_tree container-kept "$(container_device kept)"
sync

transaction=/var/lib/docker/devicemapper/metadata/transaction-metadata
before=$(cat $transaction)
fsfreeze --freeze "$SCRATCH/pool-disk"
(docker create --name half base:1 >/dev/null 2>&1 || true) &
for _ in $(seq 200); do [ "$(cat $transaction)" = "$before" ] || break; sleep 0.1; done
[ "$(cat $transaction)" != "$before" ]
sleep 2
kill -KILL "$dockerd"
fsfreeze --unfreeze "$SCRATCH/pool-disk"
docker_kill
fact interrupted-transaction.json cat $transaction
[ ! -e "/var/lib/docker/devicemapper/metadata/$(jq -r .device_hash $transaction)" ]
fact pool-status.txt dmsetup status "$pool"
dmsetup remove "$pool"
record_pool_devices pool-devices /var/lib/docker/devicemapper/devicemapper/metadata
rm /var/lib/docker/devicemapper/devicemapper && mkdir /var/lib/docker/devicemapper/devicemapper
cp --sparse=always "$SCRATCH"/pool-disk/{data,metadata} /var/lib/docker/devicemapper/devicemapper/
pack_graph devicemapper/devicemapper

# What Docker makes of it at its next start.
rm "$SCRATCH/dockerd.log"
docker_start $loopback_options
fact after-ps.jsonl docker ps --all --no-trunc --format '{{json .}}'
docker_stop
fact after-log.txt grep storage-driver=devicemapper "$SCRATCH/dockerd.log"
record_pool_devices after-pool-devices /var/lib/docker/devicemapper/devicemapper/metadata
