import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { dockerFunctions, missingForDocker } from "./docker.ts";
import { bundleForKernel } from "./bundle.ts";
import { factsFolder, factsOf, type Facts } from "./facts.ts";

const skip = missingForDocker() ?? false;

/** The base image, what each side says of the same graph, and dockerd's errors. */
const common = String.raw`
dm_options="dm.fs=$FS dm.basesize=$BASE_SIZE dm.loopdatasize=1G dm.loopmetadatasize=16M dm.override_udev_sync_check=true"
docker_options=$(for option in $dm_options; do echo "--storage-opt $option"; done)
mica() {
  node dist/mica.js --root /var/lib/docker/devicemapper --device-mapper kernel $docker_options "$@"
}
docker_says() {
  docker images --no-trunc --format 'image {{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}'
  docker ps --all --no-trunc --format 'container {{.ID}} {{.Names}} {{.Image}} {{.Command}}' 
  docker inspect --format 'device {{.Name}} {{.GraphDriver.Data}}' $(docker ps --all --quiet)
}
docker_info() { docker info --format '{{json .DriverStatus}}'; }
# Without those that any stop may bring, of the connection to containerd, and the one of the kernel that has no udev.
docker_errors() {
  grep -E 'level=(error|fatal)' "$SCRATCH/dockerd.log" | grep -vE 'module=(libcontainerd|grpc)|msg="Udev sync is not supported' || true
}
mkdir -p "$SCRATCH/base"/{bin,etc,proc,sys,dev} && cp /usr/bin/busybox "$SCRATCH/base/bin"
for name in sh cat echo ls; do ln -s busybox "$SCRATCH/base/bin/$name"; done
echo 'the base image' >"$SCRATCH/base/etc/name"
tar -C "$SCRATCH/base" -cf "$SCRATCH/base.tar" .
docker_disk 3G
`;

test("Docker goes on with its graph after Mica worked on it in the kernel", { skip }, async (t) => {
  const { text, json, lines } = await run(t, {
    fs: "xfs",
    baseSize: "320M",
    script: String.raw`
docker_start $docker_options
docker import --change 'CMD ["/bin/sh"]' "$SCRATCH/base.tar" base:1 >/dev/null
docker create --name kept --network none base:1 cat /made-by-docker /made-by-mica /etc/name >/dev/null
echo 'made by Docker' >"$SCRATCH/made-by-docker" && docker cp "$SCRATCH/made-by-docker" kept:/made-by-docker
docker run --name ran --network none base:1 sh -c 'echo changed >/etc/name'
fact before docker_says
fact docker-info-before docker_info
fact refused refused mica info
container=$(docker inspect --format '{{.GraphDriver.Data.DeviceName}}' kept | sed 's/.*-//')
docker_stop

fact mica-info-alone mica --json info
node "$WORK" /var/lib/docker/devicemapper "$dm_options" "$(cat /var/lib/docker/image/devicemapper/layerdb/sha256/*/cache-id)" "$container"
fact left-in-kernel dmsetup ls

docker_start $docker_options
fact after docker_says
fact started docker start --attach kept
fact diff docker diff kept
fact new docker run --rm --network none base:1 cat /etc/name
docker rm ran >/dev/null
fact docker-info-after docker_info
docker_stop
fact errors docker_errors
fact mica-info-after mica --json info
thin_check -q /var/lib/docker/devicemapper/devicemapper/metadata
fact mica-devices mica --json ls
mica shutdown
`,
  });
  assert.match(text("refused"), /Docker is running on .var.lib.docker/);
  assert.equal(text("after"), text("before"));
  assert.deepEqual(lines("started"), ["made by Docker", "made by Mica", "the base image"]);
  assert.deepEqual(lines("new"), ["the base image"]);
  assert.deepEqual(lines("diff").sort(), ["A /made-by-docker", "A /made-by-mica"]);
  assert.deepEqual(lines("errors"), []);
  assert.deepEqual(lines("left-in-kernel"), ["No devices found"]);
  assert.match(text("mica-devices"), /mica-kept/);
  const infoOf = (name: string): unknown => Object.fromEntries(json(name) as [string, string][]);
  assert.deepEqual(json("mica-info-alone"), infoOf("docker-info-before"));
  assert.deepEqual(json("mica-info-after"), infoOf("docker-info-after"));
});

test("Docker takes over a graph that Mica made, and its images and what adopt exports", { skip }, async (t) => {
  const { text, json, lines } = await run(t, {
    fs: "ext4",
    baseSize: "64M",
    script: String.raw`
mica --json import base:1 "$SCRATCH/base.tar" >/dev/null
mica create base:1 box >/dev/null
folder=$(mica mount box)
echo 'changed by Mica' >"$folder/etc/name" && rm "$folder/bin/ls" && mkdir "$folder/new"
mica umount box
fact app-id mica commit box app:1
mica save app:1 "$SCRATCH/app.tar"
fact mica-info mica --json info
mica shutdown

docker_start $docker_options
fact docker-info docker_info
docker load --quiet --input "$SCRATCH/app.tar" >/dev/null
fact images docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}'
fact ran docker run --name ran --network none app:1 sh -c 'cat /etc/name; echo by Docker >/new/file; [ -e /bin/ls ] || echo no ls'
docker commit ran app:2 >/dev/null
fact images-before docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}'
docker_stop
thin_check -q /var/lib/docker/devicemapper/devicemapper/metadata
fact box-diff mica --json diff box
mica shutdown
node dist/mica.js adopt export /var/lib/docker app:1 app:2 --to "docker-archive:$SCRATCH/exported.tar" >/dev/null

docker_start $docker_options
docker rm ran >/dev/null && docker rmi app:1 app:2 >/dev/null
docker load --quiet --input "$SCRATCH/exported.tar" >/dev/null
fact images-after docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}'
fact ran-again docker run --rm --network none app:2 cat /new/file
docker_stop
fact errors docker_errors
`,
  });
  assert.deepEqual(lines("images"), [`${text("app-id").trim()} app:1`]);
  assert.deepEqual(lines("ran"), ["changed by Mica", "no ls"]);
  assert.deepEqual(lines("images-after").sort(), lines("images-before").sort());
  assert.deepEqual(lines("ran-again"), ["by Docker"]);
  assert.deepEqual(lines("errors"), []);
  assert.match(text("box-diff"), /\/bin\/ls/);
  assert.deepEqual(json("mica-info"), Object.fromEntries(json("docker-info") as [string, string][]));
});

/** Runs a script with Docker and Mica at hand. */
async function run(t: TestContext, what: { fs: string; baseSize: string; script: string }): Promise<Facts> {
  const folder = factsFolder(t);
  await bundleForKernel(folder, { work: "test/kernel/docker-graph-work.ts" });
  const settings = `FS=${what.fs} BASE_SIZE=${what.baseSize} WORK=${join(folder, "work.mjs")}`;
  return factsOf(t, folder, settings, dockerFunctions, common, what.script);
}
