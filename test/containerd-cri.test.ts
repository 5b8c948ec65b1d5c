import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { writeThreeLayers } from "./containerd-image.ts";
import { containerdOnMica, untilGone } from "./containerd-on-mica.ts";
import { CriClient } from "./cri-client.ts";
import { missingForRegistry, startRegistry } from "./docker-registry.ts";

const node = 2;
const MiB = 2 ** 20;
/** containerd collects statistics by itself, once a second here. */
const statisticsSeconds = 30;

interface Usage {
  usedBytes: { value: number } | null;
}

test("Kubernetes' pods are on Mica: what kubelet asks of containerd, asked of it", { timeout: 180_000 }, async (t) => {
  const missing = missingForRegistry();
  if (missing !== undefined) return t.skip(missing);
  const folder = mkdtempSync(join(tmpdir(), "mica-cri-"));
  const registry = await startRegistry(join(folder, "registry"));
  t.after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true });
  });
  const image = `${registry.address}/three:1`;
  const engine = await containerdOnMica(t, { sandboxImage: image });
  if (engine === undefined) return;
  const { containerd, daemon } = engine;
  await containerd.ok("images", "import", "--no-unpack", writeThreeLayers(folder, image));
  await containerd.ok("images", "push", "--plain-http", image);

  const cri = new CriClient(containerd.socket);
  t.after(() => cri.close());
  const spec = { image: { image } };
  await cri.call("ImageService", "PullImage", spec);
  const sandboxConfig = {
    metadata: { name: "pod", uid: "1", namespace: "default" },
    logDirectory: folder,
    linux: { cgroupParent: `/${containerd.namespace}`, securityContext: { namespaceOptions: { network: node } } },
  };
  const pod = await cri.call<{ podSandboxId: string }>("RuntimeService", "RunPodSandbox", { config: sandboxConfig });
  const config = { metadata: { name: "box" }, ...spec, command: ["/bin/sleep", "1000"], logPath: "box.log" };
  const box = await cri.call<{ containerId: string }>("RuntimeService", "CreateContainer", {
    ...pod,
    config,
    sandboxConfig,
  });
  await cri.call("RuntimeService", "StartContainer", box);
  const exec = async (...cmd: string[]) => {
    const request = { ...box, cmd, timeout: 60 };
    const answer = await cri.call<{ stdout: Buffer; exitCode: number }>("RuntimeService", "ExecSync", request);
    assert.equal(answer.exitCode, 0, answer.stdout.toString());
    return answer.stdout.toString();
  };
  assert.equal(await exec("/bin/busybox", "cat", "/data/changed"), "changed\n");
  assert.match(await exec("/bin/busybox", "mount"), /^\/dev\/loop\d+ on \/ type ext4 \(rw,/m);
  await exec("/bin/busybox", "dd", "if=/dev/urandom", "of=/data/written", "bs=1M", "count=20", "conv=fsync");

  const usedBytes = async () => {
    const { stats } = await cri.call<{ stats: { writableLayer: Usage | null } }>(
      "RuntimeService",
      "ContainerStats",
      box,
    );
    return stats.writableLayer?.usedBytes?.value ?? 0;
  };
  for (let attempt = 0; (await usedBytes()) < 20 * MiB; attempt++) {
    assert.ok(attempt < statisticsSeconds * 2, `of 20 MiB written, ${await usedBytes()} bytes are told`);
    await sleep(500);
  }
  const images = await cri.call<{ imageFilesystems: Usage[] }>("ImageService", "ImageFsInfo", {});
  assert.ok((images.imageFilesystems[0].usedBytes?.value ?? 0) > 25 * MiB, "layers and the container's own");

  await cri.call("RuntimeService", "StopPodSandbox", pod);
  await cri.call("RuntimeService", "RemovePodSandbox", pod);
  await cri.call("ImageService", "RemoveImage", spec);
  await untilGone(engine);
  assert.equal((await daemon.mica("check")).stdout, "No problems found\n");
  cri.close();
  assert.deepEqual(await engine.end(), []);
});
