// Builds dist/mica.cjs, what bin/mica starts: the program as one file of CommonJS, without Node's loader of modules, which takes a sixth of its
// start, and with what V8 compiled of it. Scripts call thin tools by the thousand. Mica's own commands are modules, loaded when they are called.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

/** In place of the digest, until that is known. */
const noDigest = "0".repeat(16);

/** Returns the paths that were written. */
export async function buildCommand(shared) {
  const { outputFiles } = await build({
    ...shared,
    entryPoints: { mica: "src/cli/start.ts" },
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    define: { "import.meta.url": "moduleUrl" },
    banner: { js: `/*${noDigest}*/ const moduleUrl = require("node:url").pathToFileURL(__filename).href;` },
    write: false,
    metafile: false,
  });
  const [code, map] = [".cjs", ".map"].map((end) => outputFiles.find(({ path }) => path.endsWith(end)));
  const digest = createHash("sha256").update(code.contents).digest("hex").slice(0, noDigest.length);
  writeFileSync("dist/mica.cjs.map", map.contents);
  writeFileSync("dist/mica.cjs", code.text.replace(noDigest, digest));
  makeCodeCache();
  return ["dist/mica.cjs", "dist/mica.cjs.map", `dist/mica.cjs.${digest}.cache`];
}

/** By a thin tool's run on a pool that is empty: what all of them take. */
function makeCodeCache() {
  const folder = mkdtempSync(join(tmpdir(), "mica-build-"));
  try {
    const [xml, metadata] = ["xml", "metadata"].map((name) => join(folder, name));
    const pool = 'time="0" transaction="0" version="2" data_block_size="128" nr_data_blocks="1"';
    writeFileSync(xml, `<superblock uuid="" ${pool}></superblock>`);
    writeFileSync(metadata, "");
    truncateSync(metadata, 1 << 20);
    execFileSync(process.execPath, ["bin/mica", "thin_restore", "-i", xml, "-o", metadata]);
    execFileSync(process.execPath, ["scripts/make-code-cache.cjs", "thin_ls", metadata], { stdio: "ignore" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
