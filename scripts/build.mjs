// Bundles every program into dist/: one file each plus shared chunks, so that a command loads only what it needs.
// Files are written over and only stale ones removed, so that a build does not pull running programs' code away.
import { build } from "esbuild";
import { readdirSync, rmSync } from "node:fs";
import { buildCommand } from "./build-command.mjs";

const shared = {
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
  metafile: true,
  external: ["koffi", "@node-rs/crc32"],
};

const modules = await build({
  ...shared,
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
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

const command = await buildCommand(shared);

const written = new Set([...Object.keys(modules.metafile.outputs), ...command]);
for (const folder of ["dist", "dist/chunks"]) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFile() && !written.has(path)) rmSync(path);
  }
}
