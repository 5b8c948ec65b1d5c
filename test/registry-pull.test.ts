import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { sha256 } from "../src/image/digest.ts";
import { hostPlatform } from "../src/image/platform.ts";
import { descriptorOf, makeImage, writeOciLayout, type TestImage } from "../src/image/testing/make-images.ts";
import { openFolderStore } from "../src/image/testing/open-folder-store.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import {
  impatience,
  leftInStore,
  nothingLeft,
  pushWithSkopeo,
  registryBench,
  skopeo,
  type RegistryBench,
} from "./registry-support.ts";
import { until } from "../src/linux/testing/until.ts";

const big = randomBytes(3 << 20);

function threeLayers(mark: string): TestImage {
  return makeImage([
    { entries: [{ name: "lower", content: big }], compression: "gzip" },
    { entries: [{ name: "middle", content: randomBytes(1 << 20) }], compression: "zstd" },
    { entries: [{ name: "mark", content: mark }], compression: "gzip" },
  ]);
}

async function contents({ store }: Pick<RegistryBench, "store">, image: string): Promise<Map<string, Buffer>> {
  const { id } = await store.create(image);
  const root = await store.mount(id);
  const found = new Map(readdirSync(root).map((name) => [name, readFileSync(join(root, name))]));
  await store.umount(id);
  await store.removeContainer(id);
  return found;
}

suite("pulling from Debian's registry", () => {
  test("brings what skopeo pushed, byte for byte, in the OCI's and in Docker's form", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    const image = threeLayers("one");
    await pushWithSkopeo(bench, registry.address, [image], "team/app:oci");
    // One in which a name comes twice is read twice.
    const twice = [
      { name: "docker", content: "1" },
      { name: "docker", content: "22" },
    ];
    const docker = makeImage([{ entries: twice, compression: "gzip" }]);
    await pushWithSkopeo(bench, registry.address, [docker], "team/app:docker", { args: ["--format", "v2s2"] });
    for (const [tag, { id }] of Object.entries({ oci: image, docker })) {
      const pulled = await store.pull(`${registry.address}/team/app:${tag}`, { insecure: true, name: tag });
      assert.equal(pulled.id, id);
      assert.equal(pulled.name, `${tag}:latest`);
      const manifest = await skopeo(
        "inspect",
        "--raw",
        "--tls-verify=false",
        `docker://${registry.address}/team/app:${tag}`,
      );
      assert.equal(pulled.digest, sha256(manifest));
    }
    const files = await contents(bench, "oci");
    assert.deepEqual(files.get("lower"), big);
    assert.equal(files.get("mark")?.toString(), "one");
    assert.equal((await contents(bench, "docker")).get("docker")?.toString(), "22");
    await store.push("docker", `${registry.address}/again:1`, { insecure: true });
    assert.deepEqual(await store.check(), []);
  });

  test("downloads no layer that is there, and finds an image by the digest that it was pulled by", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    await pushWithSkopeo(bench, registry.address, [threeLayers("one")], "app:1");
    const lower = makeImage([{ entries: [{ name: "lower", content: big }], compression: "gzip" }]);
    await pushWithSkopeo(bench, registry.address, [lower], "lower:1");
    await store.pull(`${proxy.address}/lower:1`, { insecure: true });
    proxy.seen.length = 0;
    const { digest } = await store.pull(`${proxy.address}/app:1`, { insecure: true });
    assert.equal(proxy.blobRequests().length, 3, "the configuration and the two layers above");
    proxy.seen.length = 0;
    const again = await store.pull(`${proxy.address}/app:other@${digest}`, { insecure: true });
    assert.equal(again.name, `${proxy.address}/app@${digest}`);
    assert.equal(proxy.blobRequests().length, 1, "the configuration");
    assert.equal((await store.image(`${proxy.address}/app@${digest}`)).id, again.id);
  });

  test("takes the image for a platform out of an index", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, top, registry } = bench;
    const mine = makeImage([{ entries: [{ name: "mine", content: "1" }] }]);
    const other = makeImage([{ entries: [{ name: "other", content: "2" }] }], { os: "linux", architecture: "s390x" });
    const manifests = [
      descriptorOf(other.manifest, { platform: { os: "linux", architecture: "s390x" } }),
      descriptorOf(mine.manifest, { platform: hostPlatform() }),
    ];
    writeOciLayout(join(top, "index"), [mine, other], manifests);
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests }),
    );
    await putImages(registry.address, "multi", [mine, other], index);
    const name = `${registry.address}/multi:1`;
    const pulled = await store.pull(name, { insecure: true });
    assert.deepEqual({ id: pulled.id, digest: pulled.digest }, { id: mine.id, digest: sha256(index) });
    assert.equal((await store.pull(name, { insecure: true, platform: "linux/s390x", name: "z" })).id, other.id);
    await assert.rejects(store.pull(name, { insecure: true, platform: "linux/riscv64" }), {
      code: "invalid",
      message: /has no image for linux\/riscv64, only for linux\/s390x, linux\//,
    });
  });

  test("says what it will not take: schema 1, what is no image, what is not there", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, devices, registry } = bench;
    const image = makeImage([{ entries: [{ name: "a", content: "a" }], compression: "gzip" }]);
    const proxy = await startFaultProxy(t, registry.address);
    const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    proxy.fault = ({ url }) =>
      url.endsWith("/old/manifests/1")
        ? { kind: "answer", status: 200, headers: { "content-type": type }, body: '{"schemaVersion":1}' }
        : undefined;
    const pull = (name: string): Promise<unknown> =>
      store.pull(`${proxy.address}/${name}`, { insecure: true, patience: impatience });
    await assert.rejects(pull("old:1"), { code: "unsupported", message: /schema 1/ });
    await assert.rejects(pull("old:2"), { code: "not-found", message: /Cannot pull old:2 .*there is none/ });
    const artifact = { ...JSON.parse(image.manifest.toString()) } as { config: { mediaType: string } };
    artifact.config.mediaType = "application/vnd.cncf.helm.config.v1+json";
    await putImages(registry.address, "chart", [image], Buffer.from(JSON.stringify(artifact)));
    await assert.rejects(pull("chart:1"), {
      code: "invalid",
      message: /not a container's image but an artifact \(.*helm/,
    });
    assert.deepEqual(leftInStore(devices), nothingLeft);
  });
});

suite("pulling over bad lines", () => {
  test("goes on where a connection broke or went silent, and waits where it is told to", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    const image = threeLayers("bad line");
    await pushWithSkopeo(bench, registry.address, [image], "app:1");
    const faults = new Map([
      [
        image.layers[0].digest,
        [
          { kind: "cut", afterBytes: 1_500_000 },
          { kind: "stall", afterBytes: 700_000 },
        ] as const,
      ],
      [image.layers[1].digest, [{ kind: "answer", status: 429, headers: { "retry-after": "0" } }] as const],
      [
        image.layers[2].digest,
        [
          { kind: "answer", status: 503 },
          { kind: "cut", afterBytes: 50 },
        ] as const,
      ],
    ]);
    const asked = new Map<string, number>();
    proxy.fault = ({ url }) => {
      const digest = url.split("/blobs/")[1];
      const before = asked.get(digest) ?? 0;
      asked.set(digest, before + 1);
      return faults.get(digest)?.[before];
    };
    const pulled = await store.pull(`${proxy.address}/app:1`, { insecure: true, patience: impatience });
    assert.equal(pulled.id, image.id);
    // What was sent and what had come before the line broke are not always the same.
    const offsets = (digest: string): number[] =>
      proxy
        .blobRequests()
        .filter(({ url }) => url.endsWith(digest))
        .flatMap(({ headers }) => headers.range ?? [])
        .map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
    const [afterCut, afterStall, ...more] = offsets(image.layers[0].digest);
    assert.ok(afterCut > 0 && afterCut <= 1_500_000, `first from ${afterCut}`);
    assert.ok(afterStall > afterCut && afterStall <= afterCut + 700_000, `then from ${afterStall}`);
    assert.deepEqual([more, offsets(image.layers[1].digest)], [[], []]);
    assert.ok(offsets(image.layers[2].digest).every((offset) => offset <= 50));
  });

  const hostile: [string, Parameters<typeof faultOn>[1], { code: string; message: RegExp }][] = [
    [
      "other bytes",
      { kind: "change", change: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from("!")]) },
      { code: "damaged", message: /what came has digest/ },
    ],
    [
      "too few bytes",
      { kind: "change", change: (bytes) => bytes.subarray(0, 1000) },
      { code: "damaged", message: /ended after \d+ of \d+ bytes/ },
    ],
    ["too many bytes", { kind: "endless" }, { code: "damaged", message: /longer than the \d+ bytes/ }],
    [
      "a broken connection each time",
      { kind: "cut", afterBytes: 10 },
      { code: "unreachable", message: /the connection broke at byte \d+ of \d+, again and again: / },
    ],
    [
      "silence each time",
      { kind: "stall", afterBytes: 10 },
      { code: "unreachable", message: /broke at byte \d+ of \d+, .*: it stopped sending/ },
    ],
    ["429 each time", { kind: "answer", status: 429 }, { code: "refused", message: /too many requests/ }],
    [
      "a wait of a day",
      { kind: "answer", status: 429, headers: { "retry-after": "86400" } },
      { code: "refused", message: /too many requests/ },
    ],
    [
      "a redirect to itself",
      { kind: "answer", status: 307, headers: { location: "" } },
      { code: "refused", message: /redirects more than 5 times/ },
    ],
    [
      "a redirect to nowhere",
      { kind: "answer", status: 307, headers: { location: "https://[" } },
      { code: "damaged", message: /not an address/ },
    ],
    [
      "huge headers",
      { kind: "answer", status: 200, headers: { "x-huge": "x".repeat(100_000) } },
      { code: "unreachable", message: /not proper HTTP/ },
    ],
  ];
  test("fails clearly, and leaves nothing", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, devices, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    const image = threeLayers("hostile");
    await pushWithSkopeo(bench, registry.address, [image], "app:1");
    for (const [what, fault, error] of hostile) {
      await t.test(`where the registry sends ${what}`, async () => {
        proxy.fault = faultOn(image.layers[1].digest, fault);
        await assert.rejects(store.pull(`${proxy.address}/app:1`, { insecure: true, patience: impatience }), error);
        assert.deepEqual(leftInStore(devices), nothingLeft);
      });
    }
  });

  const badManifests: [string, string | Buffer, RegExp][] = [
    ["no JSON", "{", /is not JSON/],
    ["one of 5 MiB", Buffer.alloc(5 << 20, " "), /more than 4194304 bytes/],
    ["one without layers", '{"schemaVersion":2,"config":{}}', /config\.digest/],
    ["one that is an index too", JSON.stringify({ config: descriptorOf(big), layers: [], manifests: [] }), /not clear/],
  ];
  for (const [what, body, message] of badManifests) {
    test(`fails clearly where a manifest is ${what}`, async (t) => {
      const { store, devices } = await openFolderStore(t);
      const proxy = await startFaultProxy(t, "127.0.0.1:1");
      const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
      proxy.fault = () => ({ kind: "answer", status: 200, headers, body });
      await assert.rejects(store.pull(`${proxy.address}/app`, { insecure: true, patience: impatience }), {
        code: "damaged",
        message,
      });
      assert.deepEqual(leftInStore(devices), nothingLeft);
    });
  }

  test("undoes what it had begun when it is aborted in the middle of a layer", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, devices, registry } = bench;
    const proxy = await startFaultProxy(t, registry.address);
    const image = threeLayers("aborted");
    await pushWithSkopeo(bench, registry.address, [image], "app:1");
    proxy.fault = faultOn(image.layers[0].digest, { kind: "stall", afterBytes: 1_000_000 });
    const abort = new AbortController();
    const pulling = store.pull(`${proxy.address}/app:1`, { insecure: true, signal: abort.signal });
    const aborted = assert.rejects(pulling, /enough/);
    await until("a layer is unpacked", () => devices.mounts.size > 0);
    abort.abort(new Error("enough"));
    await aborted;
    assert.deepEqual(leftInStore(devices), nothingLeft);
  });
});

suite("mirrors", () => {
  test("are asked first, and the registry where they have nothing or are away", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    const mirror = await startFaultProxy(t, registry.address);
    const origin = await startFaultProxy(t, registry.address);
    const image = threeLayers("mirrored");
    await pushWithSkopeo(bench, registry.address, [image], "app:1");
    const registries = {
      [origin.address]: { insecure: true, mirrors: ["http://127.0.0.1:1", `http://${mirror.address}`] },
    };
    // One layer is not in the mirror.
    mirror.fault = faultOn(image.layers[1].digest, { kind: "answer", status: 404 });
    const pulled = await store.pull(`${origin.address}/app:1`, { registries, patience: impatience });
    assert.equal(pulled.name, `${origin.address}/app:1`);
    assert.deepEqual(
      origin.blobRequests().map(({ url }) => url.split("/blobs/")[1]),
      [image.layers[1].digest],
    );
    assert.equal(mirror.blobRequests().length, 4);
  });
});

function faultOn(
  digest: string,
  fault: NonNullable<ReturnType<Awaited<ReturnType<typeof startFaultProxy>>["fault"]>>,
): Awaited<ReturnType<typeof startFaultProxy>>["fault"] {
  return ({ url }) => (url.includes(digest) ? fault : undefined);
}

/** Puts images and what names them into a registry, without a client's own ideas of them. */
async function putImages(address: string, name: string, images: TestImage[], top: Buffer): Promise<void> {
  const put = async (path: string, type: string, body: Buffer): Promise<void> => {
    const response = await fetch(new URL(path, `http://${address}`), {
      method: "PUT",
      headers: { "content-type": type },
      body,
    });
    assert.equal(response.status, 201, await response.text());
  };
  for (const { config, manifest, layers } of images) {
    for (const blob of [config, ...layers.map((layer) => layer.blob)]) {
      const begun = await fetch(`http://${address}/v2/${name}/blobs/uploads/`, { method: "POST" });
      await put(`${begun.headers.get("location") ?? ""}&digest=${sha256(blob)}`, "application/octet-stream", blob);
    }
    await put(`/v2/${name}/manifests/${sha256(manifest)}`, "application/vnd.oci.image.manifest.v1+json", manifest);
  }
  const { mediaType = "application/vnd.oci.image.manifest.v1+json" } = JSON.parse(top.toString()) as {
    mediaType?: string;
  };
  await put(`/v2/${name}/manifests/1`, mediaType, top);
}
