import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { hexOf, sha256 } from "../src/image/digest.ts";
import { makeImage, writeOciLayout, type TestImage } from "../src/image/testing/make-images.ts";
import { openFolderStore } from "../src/image/testing/open-folder-store.ts";
import type { PushProgress } from "../src/image/types.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { impatience, leftInStore, registryBench, skopeo, type RegistryBench } from "./registry-support.ts";

interface Manifest {
  mediaType: string;
  config: { mediaType: string; digest: string };
  layers: { mediaType: string; digest: string; size: number }[];
}

const content = randomBytes(2 << 20);

function twoLayers(mark: string): TestImage {
  return makeImage([
    { entries: [{ name: "lower", content }] },
    {
      entries: [
        { name: "mark", content: mark },
        { name: "link", type: "2", linkName: "lower" },
      ],
    },
  ]);
}

async function importInto({ store, top }: Pick<RegistryBench, "store" | "top">, image: TestImage): Promise<void> {
  await store.import("app", writeOciLayout(join(top, hexOf(image.id)), [image]));
}

function howOf(events: readonly PushProgress[]): string[] {
  return events.flatMap((event) => (event.kind === "layer-done" ? [event.how] : []));
}

suite("pushing to Debian's registry", () => {
  for (const [format, type] of [
    ["oci", "application/vnd.oci.image.manifest.v1+json"],
    ["v2s2", "application/vnd.docker.distribution.manifest.v2+json"],
  ] as const) {
    test(`skopeo finds what was pushed as ${format}, byte for byte`, async (t) => {
      const bench = await registryBench(t);
      if (bench === undefined) return;
      const { store, top, registry } = bench;
      const image = twoLayers(format);
      await importInto(bench, image);
      const name = `${registry.address}/team/app:1`;
      const pushed = await store.push("app", name, { insecure: true, format });
      const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${name}`);
      assert.equal(pushed.digest, sha256(raw));
      assert.equal((JSON.parse(raw) as Manifest).mediaType, type);
      const folder = join(top, "copied");
      await skopeo("copy", "--src-tls-verify=false", `docker://${name}`, `dir:${folder}`);
      const { config, layers } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest;
      assert.equal(config.digest, image.id);
      assert.deepEqual(readFileSync(join(folder, hexOf(config.digest))), image.config);
      for (const [index, { digest, size }] of layers.entries()) {
        const blob = readFileSync(join(folder, hexOf(digest)));
        assert.equal(blob.length, size);
        assert.deepEqual(gunzipSync(blob), image.layers[index].tar);
      }
      // And back, into a store that has nothing of it.
      const other = await openFolderStore(t);
      assert.deepEqual(await other.store.pull(name, { insecure: true, name: "back" }), {
        id: image.id,
        name: "back:latest",
        digest: pushed.digest,
      });
      assert.deepEqual(await other.store.check(), []);
    });
  }

  test("makes the same digests each time, and sends nothing that is there", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { registry } = bench;
    const image = twoLayers("same");
    const other = await openFolderStore(t);
    const digests = new Set<string>();
    const done: string[][] = [];
    const push = async ({ store }: Pick<RegistryBench, "store">, path: string): Promise<void> => {
      const events: PushProgress[] = [];
      const to = `${registry.address}/${path}`;
      const { digest } = await store.push("app", to, { insecure: true, progress: (event) => events.push(event) });
      digests.add(digest);
      done.push(howOf(events));
    };
    await importInto(bench, image);
    await importInto(other, image);
    await push(bench, "one:1");
    await push(bench, "one:2"); // known to be there
    await push(bench, "two:1"); // known to be in another repository
    await push(other, "one:3"); // found to be there: the same blobs were made again
    assert.deepEqual(done, [
      ["sent", "sent"],
      ["exists", "exists"],
      ["mounted", "mounted"],
      ["exists", "exists"],
    ]);
    assert.equal(digests.size, 1);
  });

  test("pushes what was pulled with the blobs that it came as", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, top, registry } = bench;
    const image = makeImage([
      { entries: [{ name: "a", content: "a".repeat(1000) }], compression: "zstd" },
      { entries: [{ name: "b", content: "b" }], compression: "gzip" },
    ]);
    const layout = writeOciLayout(join(top, "layout"), [image]);
    const name = `${registry.address}/team/app:1`;
    await skopeo("copy", "--dest-tls-verify=false", `oci:${layout}`, `docker://${name}`);
    await store.pull(name, { insecure: true });
    const copy = `${registry.address}/copy/app:1`;
    await store.push(name, copy, { insecure: true });
    const { layers } = JSON.parse(
      await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${copy}`),
    ) as Manifest;
    assert.deepEqual(
      layers.map(({ digest, mediaType }) => ({ digest, mediaType })),
      image.layers.map(({ digest, mediaType }) => ({ digest, mediaType })),
    );
    // Docker's form has no zstd.
    await store.push(name, `${registry.address}/docker/app:1`, { insecure: true, format: "v2s2" });
    const other = await openFolderStore(t);
    assert.equal((await other.store.pull(`${registry.address}/docker/app:1`, { insecure: true })).id, image.id);
  });

  test("begins an upload anew that broke off or was turned away, and leaves no file", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, devices, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    await importInto(bench, twoLayers("bad line"));
    const before = leftInStore(devices);
    let uploads = 0;
    proxy.fault = ({ method }) => {
      if (method !== "PUT") return undefined;
      uploads++;
      if (uploads === 1) return { kind: "hang-up" };
      return uploads === 2 ? { kind: "answer", status: 503 } : undefined;
    };
    const { digest } = await store.push("app", `${proxy.address}/app:1`, { insecure: true, patience: impatience });
    const name = `${proxy.address}/app:1`;
    assert.equal(sha256(await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${name}`)), digest);
    const { files, mounted, devices: ids } = leftInStore(devices);
    assert.deepEqual(
      files.filter((file) => !file.endsWith(".blobs.json")),
      before.files,
    );
    assert.deepEqual({ mounted, ids }, { mounted: [], ids: before.devices });
  });

  test("says what it cannot push", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    const image = twoLayers("refused");
    await importInto(bench, image);
    await assert.rejects(store.push(image.id), { code: "invalid", message: /by its ID alone: say where/ });
    await assert.rejects(store.push("app", `host:5000/app@${image.id}`), { message: /Name a tag/ });
    await assert.rejects(store.push("none", "host:5000/app"), { code: "not-found" });
    const body = JSON.stringify({ errors: [{ code: "DENIED", message: "not\u001b[31m you" }] });
    proxy.fault = ({ method }) => (method === "POST" ? { kind: "answer", status: 403, body } : undefined);
    await assert.rejects(store.push("app", `${proxy.address}/app:1`, { insecure: true }), {
      code: "unauthorized",
      message: /Cannot begin to send blob .* it denies access \(DENIED: not\?\[31m you\)/,
    });
  });
});
