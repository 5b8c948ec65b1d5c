# A graph on ext4 with many containers, three of them running when the power goes.
docker_disk 3G
docker_start --storage-opt dm.fs=ext4 --storage-opt dm.basesize=64M $loopback_options
import_base
docker create --name build base:1 >/dev/null
change build <<'END'
mkdir -p srv/data && seq 1000 >srv/data/numbers && rm data/file1 && echo 'the second layer' >etc/name
END
docker commit --change 'ENV LAYER=2' build app:1 >/dev/null
docker rm --force build >/dev/null

docker volume create --label kind=kept kept >/dev/null
echo 'in the volume' >/var/lib/docker/volumes/kept/_data/file
for number in $(seq 28); do
  options="--name box-$number --label number=$number --env NUMBER=$number"
  [ $((number % 7)) != 0 ] || options="$options --volume kept:/kept --restart always"
  image=app:1; [ $((number % 4)) != 0 ] || image=base:1
  docker create $options $image >/dev/null
  if [ $((number % 3)) = 0 ]; then
    seq "$number" $((number * 100)) >"$SCRATCH/copied" && docker cp "$SCRATCH/copied" "box-$number:/data/of-$number"
  fi
done
docker run --name ended --network none app:1 /bin/wait 3 || [ $? = 3 ]
for name in running-1 running-2 running-3; do docker run --detach --name $name --network none --hostname $name app:1 >/dev/null; done
docker pause running-3 >/dev/null

# Written and synced: on the disk, but for the file system's own blocks, which are only in its journal.
for name in running-1 running-2; do
  (
    cd "$(root_of $name)"
    mkdir -p srv/logs/old && for i in $(seq 60); do seq "$i" $((i * 7)) >srv/logs/$i; done
    for i in $(seq 20); do mv srv/logs/$i srv/logs/old/; done
    rm data/file2 data/file3 srv/logs/2[1-9]
    ln srv/logs/60 srv/linked && chown 5:6 srv/logs/60 && truncate -s 100 srv/logs/59
    sync -f .
  )
done
record_docker $(docker ps --all --format '{{.Names}}')
record_pool
for name in running-1 running-2; do fact "tree-container-$name.json" node "$DESCRIBE" "$(root_of $name)"; done
for name in ended box-1 box-3 box-28; do record_tree "container-$name" "$(container_device $name)"; done
for name in base:1 app:1; do record_tree "image-$name" "$(layer_device $name)"; done
sync -f "$(root_of running-1)"; sync -f "$(root_of running-2)"; sync
pack_after_power_cut
docker_kill
