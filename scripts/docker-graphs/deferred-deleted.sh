# A graph with devices that could not be deleted because someone had them open: Docker notes them, and tries again later.
docker_disk 3G
docker_start --storage-opt dm.fs=ext4 --storage-opt dm.basesize=64M $loopback_options
import_base
for name in kept busy-1 busy-2; do docker create --name $name base:1 >/dev/null; done
for name in busy-1 busy-2; do
  change $name <<'END'
head -c 100000 /dev/urandom >data/only-here
END
done
exec 7<"/dev/mapper/$(docker inspect --format '{{.GraphDriver.Data.DeviceName}}' busy-1)"
exec 8<"/dev/mapper/$(docker inspect --format '{{.GraphDriver.Data.DeviceName}}' busy-2)"
docker rm --force busy-1 busy-2 >/dev/null
record_docker kept
record_pool
record_tree container-kept "$(container_device kept)"
sync
pack_after_power_cut

# What Docker makes of it at its next start.
exec 7<&- 8<&-
docker_stop
docker_start $loopback_options
for _ in $(seq 100); do
  fact after-driver-status.json docker info --format '{{json .DriverStatus}}'
  grep -q '"Deferred Deleted Device Count","0"' "$OUT/facts/after-driver-status.json" && break
  sleep 0.5
done
docker_stop
record_pool_devices after-pool-devices /var/lib/docker/devicemapper/devicemapper/metadata
