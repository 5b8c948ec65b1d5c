# A graph on a thin pool that Docker itself set up with LVM on a disk; the pool's data and metadata are packed as two images.
docker_disk 3G
truncate -s 1G "$SCRATCH/docker-disk/lvm-disk"
disk=$(losetup --find --show "$SCRATCH/docker-disk/lvm-disk")
docker_start --storage-opt dm.directlvm_device="$disk" --storage-opt dm.fs=ext4 --storage-opt dm.basesize=64M
import_base
docker create --name build base:1 >/dev/null
change build <<'END'
mkdir -p srv && seq 1000 >srv/numbers && rm data/file1 && echo 'the second layer' >etc/name
END
docker commit build app:1 >/dev/null
docker kill build >/dev/null
docker create --name plain --storage-opt size=96M app:1 >/dev/null
echo copied >"$SCRATCH/copied" && docker cp "$SCRATCH/copied" plain:/data/copied
record_docker build plain
record_pool
for name in base:1 app:1; do record_tree "image-$name" "$(layer_device $name)"; done
for name in build plain; do record_tree "container-$name" "$(container_device $name)"; done
docker_stop
fact lvm-profile.txt cat /etc/lvm/profile/docker-thinpool.profile
fact lvm-volumes.json lvs --all --reportformat json --options vg_name,lv_name,lv_attr,lv_size,chunk_size,lv_profile --units b --config report/compact_output=0
for part in data:tdata metadata:tmeta; do
  dd if="/dev/mapper/docker-thinpool_${part#*:}" of="/var/lib/docker/thinpool-${part%:*}" bs=1M conv=sparse status=none
done
record_pool_devices pool-devices /var/lib/docker/thinpool-metadata
pack_graph devicemapper/setup-config.json thinpool-data thinpool-metadata
vgchange --activate n --quiet docker
