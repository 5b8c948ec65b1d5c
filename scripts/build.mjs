// Bundles every program into dist/: one file each plus shared chunks, so that a command loads only what it needs.
import { build } from "esbuild";
import { rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: {
    index: "src/index.ts",
    mica: "src/cli/main.ts",
    supervisor: "src/block-device/supervisor-main.ts",
    engine: "src/block-device/engine-main.ts",
    "apply-layer": "src/layer/apply-main.ts",
    demo: "src/cli/demo-main.ts",
    bench: "bench/main.ts",
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
});
