// Bundles every program into dist/: one file each plus shared chunks, so that a command loads only what it needs.
// Files are written over and only stale ones removed, so that a build does not pull running programs' code away.
import { build } from "esbuild";
import { readdirSync, rmSync } from "node:fs";

const result = await build({
  entryPoints: {
    index: "src/index.ts",
    mica: "src/cli/main.ts",
    supervisor: "src/block-device/supervisor-main.ts",
    engine: "src/block-device/engine-main.ts",
    "nbd-export": "src/block-device/nbd/export-keeper-main.ts",
    "nbd-server": "src/block-device/nbd/nbd-server-main.ts",
    monitor: "src/graph/growth/monitor-main.ts",
    "apply-layer": "src/layer/apply-main.ts",
    "diff-layer": "src/layer/diff-main.ts",
    "frozen-device": "src/frozen-pool/frozen-device-main.ts",
    demo: "src/cli/demo-main.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["koffi", "@node-rs/crc32"],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  sourcemap: true,
  logLevel: "warning",
  metafile: true,
});

const written = new Set(Object.keys(result.metafile.outputs));
for (const folder of ["dist", "dist/chunks"]) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFile() && !written.has(path)) rmSync(path);
  }
}
