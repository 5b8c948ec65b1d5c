# A graph on XFS: layers with all that a tar can hold, an image from an archive of odd tars, containers, one of them larger.
docker_disk 3G
docker_start --storage-opt dm.fs=xfs --storage-opt dm.basesize=320M $loopback_options
import_base

docker create --name build1 base:1 >/dev/null
change build1 <<'END'
mkdir -p new/{a,b}/c 'new/with space' new/ünïcödé
echo added >new/a/file
echo 'ü' >new/ünïcödé/ñ
printf x >"$(printf 'new/line\nend')"
: >new/empty
printf changed >data/file1
chmod 4755 data/file2
chown 1000:100000 data/file3
touch -d '1969-07-20 20:17:40.123456789 UTC' data/file4
touch -d '2033-05-18 03:33:20.987654321 UTC' data/file5
rm data/file6 data/zeroes
rm -r data/gone
rm -r data/replaced && mkdir data/replaced && echo three >data/replaced/three
rm data/file7 && mkdir data/file7 && echo was-a-file >data/file7/inside
rm -r data/deep/deeper && echo was-a-folder >data/deep/deeper
ln data/file8 new/hard1 && ln data/file8 new/hard2
ln -s "$(printf 'long/%.0s' $(seq 60))end" new/long-symlink
ln -s /nowhere new/dangling
mknod new/null c 1 3 && mknod new/disk b 259 70000 && mkfifo new/pipe
long=$(printf 'n%.0s' $(seq 255))
echo long >"new/$long"
mkdir -p "new/$long-" 2>/dev/null || mkdir -p "new/${long:0:200}/${long:0:200}"
echo deep >"new/${long:0:200}/${long:0:200}/file"
setfattr -n user.comment -v 'not kept by a layer' new/a/file
cp bin/wait new/capable && setcap cap_net_raw,cap_setuid+ep new/capable
chmod 1777 new/b
truncate -s 3M new/sparse && echo end >>new/sparse
END
docker commit --message 'all kinds of files' build1 app:1 >/dev/null

docker create --name build2 app:1 >/dev/null
change build2 <<'END'
rm -r new/ünïcödé new/pipe
rm new/hard1 && echo 'no longer a link' >new/hard1
echo appended >>data/deep/random
setcap -r new/capable
mv new/a new/moved
rm new/dangling && ln -s /elsewhere new/dangling
mkdir data/gone && echo back >data/gone/again
END
docker commit --change 'ENV LEVEL=2' --change 'LABEL purpose=test' --change 'WORKDIR /data' --message second build2 app:2 >/dev/null

# Layers as other builders write them: Docker's store keeps how each tar was written.
odd=/var/lib/odd  # a tmpfs keeps no user attributes
mkdir -p "$odd"/{one,two/data/folder,three/data/opaque} && cd "$odd"
mkdir -p one/data/{folder,opaque/sub} && echo one >one/data/folder/one && echo two >one/data/folder/two && echo sub >one/data/opaque/sub/file
echo linked >one/data/linked && ln one/data/linked one/data/link2 && mkdir one/bin && cp "$OUT/wait" one/bin/wait
touch -d '2001-02-03 04:05:06.5' one/data/linked
setfattr -n user.kept -v 'in the tar' one/data/linked
mkdir -p "one/$(printf 'p%.0s' $(seq 90))/$(printf 'q%.0s' $(seq 90))" && echo far >"one/$(printf 'p%.0s' $(seq 90))/$(printf 'q%.0s' $(seq 90))/file"
: >two/data/folder/.wh.one && echo changed >two/data/folder/two
: >three/data/opaque/.wh..wh..opq && echo new >three/data/opaque/new
mkdir -p layers/{1,2,3}
tar -C one --format=pax --xattrs --xattrs-include='user.*' --numeric-owner -cf layers/1/layer.tar bin data "$(printf 'p%.0s' $(seq 90))"
tar -C two --format=gnu --owner=alice:70000 --group=staff:50 -b 1 -cf layers/2/layer.tar ./data/folder
tar -C three --format=ustar --no-recursion -cf layers/3/layer.tar data/opaque data/opaque/.wh..wh..opq data/opaque/new
head -c 3000 /dev/zero >>layers/3/layer.tar
ids=$(for i in 1 2 3; do sha256sum <layers/$i/layer.tar | cut -c1-64; done | jq -R '"sha256:" + .' | jq -cs .)
jq -cn --argjson ids "$ids" '{architecture: "amd64", os: "linux", created: "2021-01-02T03:04:05.678Z", author: "someone",
  config: {Cmd: ["/bin/wait"], Env: ["A=b"]}, rootfs: {type: "layers", diff_ids: $ids},
  history: [{created_by: "one"}, {created_by: "nothing", empty_layer: true}, {created_by: "two"}, {created_by: "three", comment: "last"}]}' >config
config=$(sha256sum <config | cut -c1-64).json
mv config "layers/$config"
jq -cn --arg config "$config" '[{Config: $config, RepoTags: ["odd:1"], Layers: ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]' >layers/manifest.json
tar -C layers -cf archive.tar "$config" 1 2 3 manifest.json
docker load --quiet --input archive.tar
cd /

docker create --name large --storage-opt size=400M --label kind=large app:2 >/dev/null
docker create --name plain --env WHO=me --hostname plain base:1 >/dev/null
docker create --name strange odd:1 /bin/wait 3 >/dev/null
change large <<'END'
head -c 3000 /dev/urandom >data/only-here
rm data/file1 && rm -r new/with\ space
echo changed >etc/name
END
echo copied >"$SCRATCH/copied" && docker cp "$SCRATCH/copied" plain:/data/copied
docker kill build1 build2 large >/dev/null

record_docker build1 build2 large plain strange
record_pool
for name in base:1 app:1 app:2 odd:1; do record_tree "image-$name" "$(layer_device "$name")"; done
for name in build1 build2 large plain strange; do record_tree "container-$name" "$(container_device "$name")"; done
docker_stop
fact metadata-check.txt thin_check /var/lib/docker/devicemapper/devicemapper/metadata
record_pool_devices pool-devices /var/lib/docker/devicemapper/devicemapper/metadata
pack_graph devicemapper/devicemapper
