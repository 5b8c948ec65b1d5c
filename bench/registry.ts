import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { openDeviceSet } from "../src/graph/graph.ts";
import { openImageStore } from "../src/image/image-store.ts";
import { makeImage, writeOciLayout } from "../src/image/testing/make-images.ts";
import { startRegistry } from "../test/docker-registry.ts";
import { median } from "./statistics.ts";

const run = promisify(execFile);
const REPEATS = 3;
const LAYERS = 6;
const FILES = 40;
const FILE_BYTES = 1 << 20;

/** Seconds, medians. */
export interface RegistryFigures {
  /** Its layers' tars, all together. */
  readonly imageBytes: number;
  readonly micaPull: number;
  /** The same image by `skopeo copy` into a layout, which is then imported. */
  readonly copyAndImport: number;
  /** Of that, what skopeo took: a download, checked and written, and nothing unpacked. */
  readonly skopeoCopy: number;
  readonly micaPush: number;
  /** The same image by `skopeo copy` out of an uncompressed layout. */
  readonly skopeoPush: number;
}

/** Pulls and pushes an image of several layers, from and to a registry on this machine, in turn with skopeo. */
export async function measureRegistry(dir: string): Promise<RegistryFigures> {
  const image = makeImage(
    Array.from({ length: LAYERS }, (_, layer) => ({ entries: filesOf(layer), compression: "gzip" })),
  );
  const registry = await startRegistry(join(dir, "registry"));
  const set = await openDeviceSet({ root: join(dir, "registry-graph") });
  try {
    const store = await openImageStore(set);
    const layout = writeOciLayout(join(dir, "layout"), [image]);
    const name = `${registry.address}/bench:1`;
    await run("skopeo", ["copy", "--dest-tls-verify=false", `oci:${layout}`, `docker://${name}`]);
    const pulls: number[] = [];
    const copies: number[] = [];
    const imports: number[] = [];
    const pushes: number[] = [];
    const sent: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      pulls.push(await seconds(() => store.pull(name, { insecure: true, name: "pulled" })));
      await store.removeImage("pulled");
      const copied = join(dir, "copied");
      copies.push(
        await seconds(() => run("skopeo", ["copy", "--src-tls-verify=false", `docker://${name}`, `oci:${copied}`])),
      );
      imports.push(await seconds(() => store.import("copied", copied)));
      rmSync(copied, { recursive: true });
      // Of a store that knows no registry's blobs, to a registry that has none: what the registry kept is asked for by digest.
      const plain = join(dir, "plain");
      await store.save("copied", `oci:${plain}`);
      const fresh = await startRegistry(join(dir, `fresh-${repeat}`));
      try {
        pushes.push(await seconds(() => store.push("copied", `${fresh.address}/mica:1`, { insecure: true })));
        const target = `docker://${fresh.address}/skopeo:1`;
        sent.push(await seconds(() => run("skopeo", ["copy", "--dest-tls-verify=false", `oci:${plain}`, target])));
      } finally {
        await fresh.stop();
      }
      await store.removeImage("copied");
      for (const folder of [plain, join(dir, `fresh-${repeat}`)]) rmSync(folder, { recursive: true });
    }
    return {
      imageBytes: image.layers.reduce((sum, { tar }) => sum + tar.length, 0),
      micaPull: median(pulls),
      copyAndImport: median(copies.map((copy, index) => copy + imports[index])),
      skopeoCopy: median(copies),
      micaPush: median(pushes),
      skopeoPush: median(sent),
    };
  } finally {
    await set.shutdown();
    await registry.stop();
  }
}

/** Half noise, half nothing: as compressible as programs are. */
function filesOf(layer: number): { name: string; content: Buffer }[] {
  return Array.from({ length: FILES }, (_, file) => ({
    name: `layer-${layer}-file-${file}`,
    content: Buffer.concat([randomBytes(FILE_BYTES / 2), Buffer.alloc(FILE_BYTES / 2, `${layer} ${file}`)]),
  }));
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
