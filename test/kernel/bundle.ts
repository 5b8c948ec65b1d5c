import { build } from "esbuild";
import { packageFile } from "../../src/linux/package-root.ts";

/**
 * Bundles programs of the checkout into a folder, as OUT.mjs each: loading hundreds of files is slow in User-mode Linux.
 *
 * @param programs sources, relative to the checkout, by the names that they get
 */
export async function bundleForKernel(folder: string, programs: Readonly<Record<string, string>>): Promise<void> {
  await build({
    entryPoints: Object.entries(programs).map(([out, source]) => ({ in: packageFile(source), out })),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["koffi", "@node-rs/crc32", "esbuild"],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    sourcemap: "inline",
    logLevel: "warning",
  });
}
