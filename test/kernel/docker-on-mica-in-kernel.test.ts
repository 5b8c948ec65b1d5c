import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { oneLayer, writeBuildContext } from "../docker-image.ts";
import { dockerFunctions, missingForDocker } from "./docker.ts";
import { factsFolder, factsOf } from "./facts.ts";

const skip = missingForDocker() ?? false;

/** The daemon on the kernel's device mapper. */
const functions = String.raw`
mica() { node dist/mica.js --root /var/lib/mica --device-mapper kernel "$@"; }
mica_start() {
  rm -f /run/docker/plugins/mica.sock
  # Not by the function: what is in the background would be a shell.
  node dist/mica.js --root /var/lib/mica --device-mapper kernel $mica_options \
    daemon --docker-plugin /run/docker/plugins/mica.sock </dev/null >>"$SCRATCH/mica.log" 2>&1 &
  mica=$!
  for _ in $(seq 300); do
    if [ -S /run/docker/plugins/mica.sock ]; then return 0; fi
    if ! kill -0 "$mica" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "mica daemon did not start:"; cat "$SCRATCH/mica.log"
  return 1
}
mica_kill() { { kill -KILL "$mica"; wait "$mica"; } 2>/dev/null || true; }
contents() { docker exec "$1" sh -c 'find /bin /data -type f | sort | xargs sha256sum'; }
docker_disk 3G
mica_options=$(for option in dm.basesize=128M dm.loopdatasize=1G dm.loopmetadatasize=16M dm.override_udev_sync_check=true; do
  echo "--storage-opt $option"
done)
`;

const story = String.raw`
mica_start
docker_start --storage-driver mica --experimental
fact driver docker info --format '{{.Driver}}'
fact status docker info --format '{{json .DriverStatus}}'
DOCKER_BUILDKIT=0 docker build --quiet --network none --tag box "$OUT/context" >/dev/null
for name in one two; do
  docker run --detach --network none --name $name box sleep 1000 >/dev/null
  docker exec $name sh -c "mkdir -p /data && echo $name >/data/name && dd if=/dev/urandom of=/data/block bs=64k count=20 2>/dev/null"
done
mica_kill
mica_start
docker exec one sh -c 'echo after >>/data/name && sync'
fact one contents one
fact two contents two
fact diff docker diff two
docker commit one one:1 >/dev/null
docker save --output "$SCRATCH/one.tar" one:1
docker rm --force one two >/dev/null
docker rmi one:1 box >/dev/null
fact wiped mica --json ls
docker load --quiet --input "$SCRATCH/one.tar" >/dev/null
docker run --detach --network none --name again one:1 sleep 1000 >/dev/null
fact again contents again
docker rm --force again >/dev/null
fact check mica check
docker_stop
kill "$mica" && wait "$mica"
mica shutdown
fact left-in-kernel dmsetup ls
fact left-mounted grep /var/lib/mica /proc/mounts || true
fact left-loops losetup --list --noheadings --output BACK-FILE
thin_check -q /var/lib/mica/devicemapper/metadata
`;

test("Docker's containers on the kernel's device mapper, through the daemon and its death", { skip }, async (t) => {
  const folder = factsFolder(t);
  const context = writeBuildContext(join(folder, "context"), oneLayer);
  writeFileSync(join(context, ".dockerignore"), "data\n");
  const { text, json, lines } = await factsOf(t, folder, dockerFunctions, functions, story);
  assert.deepEqual(lines("driver"), ["mica"]);
  assert.match(text("status"), /\["Pool Name","docker-[^"]+-pool"\]/);
  assert.match(text("one"), /\/data\/block$/m);
  assert.notEqual(text("one"), text("two"));
  assert.equal(text("again"), text("one"));
  assert.deepEqual(lines("diff").sort(), ["A /data", "A /data/block", "A /data/name"]);
  assert.deepEqual(
    (json("wiped") as { kind: string }[]).map(({ kind }) => kind),
    ["base"],
  );
  assert.deepEqual(lines("check"), ["No problems found"]);
  assert.deepEqual(lines("left-in-kernel"), ["No devices found"]);
  assert.deepEqual(lines("left-mounted"), []);
  // The disk of the test itself.
  assert.deepEqual(
    lines("left-loops").filter((file) => !file.endsWith("docker-disk.disk")),
    [],
  );
});
