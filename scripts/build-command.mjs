// Builds what bin/mica starts: dist/mica.cjs, with dmsetup and the thin tools, which scripts call by the thousand, and dist/command-line.cjs, with mica's own
// commands. Each is one file of CommonJS, without Node's loader of modules, and has beside it what V8 compiled of it.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

/** In place of the digest, until that is known. */
const noDigest = "0".repeat(16);

/** Returns the paths that were written. */
export async function buildCommand(shared) {
  const programs = [
    await buildProgram(shared, "mica", "start"),
    await buildProgram(shared, "command-line", "command-line"),
  ];
  makeCodeCaches();
  return programs.flat();
}

/** One program and its cache to come. */
async function buildProgram(shared, name, entry) {
  const { outputFiles } = await build({
    ...shared,
    entryPoints: { [name]: `src/cli/${entry}.ts` },
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    define: { "import.meta.url": "moduleUrl" },
    // A script that has a cache cannot import.
    supported: { "dynamic-import": false },
    banner: { js: `/*${noDigest}*/ const moduleUrl = require("node:url").pathToFileURL(__filename).href;` },
    write: false,
    metafile: false,
  });
  const [code, map] = [".cjs", ".map"].map((end) => outputFiles.find(({ path }) => path.endsWith(end)));
  const digest = createHash("sha256").update(code.contents).digest("hex").slice(0, noDigest.length);
  const program = `dist/${name}.cjs`;
  writeFileSync(`${program}.map`, map.contents);
  writeFileSync(program, code.text.replace(noDigest, digest));
  return [program, `${program}.map`, `${program}.${digest}.cache`];
}

function makeCodeCache(expected, ...words) {
  const { status } = spawnSync(process.execPath, ["scripts/make-code-cache.cjs", ...words], { stdio: "ignore" });
  if (status !== expected) throw new Error(`Cannot make a code cache: mica ${words.join(" ")} ended with ${status}`);
}

/** By a thin tool's run on a pool that is empty, and by a command that looks for a graph: what all of them take. */
function makeCodeCaches() {
  const folder = mkdtempSync(join(tmpdir(), "mica-build-"));
  try {
    const [xml, metadata] = ["xml", "metadata"].map((name) => join(folder, name));
    const pool = 'time="0" transaction="0" version="2" data_block_size="128" nr_data_blocks="1"';
    writeFileSync(xml, `<superblock uuid="" ${pool}></superblock>`);
    writeFileSync(metadata, "");
    truncateSync(metadata, 1 << 20);
    execFileSync(process.execPath, ["bin/mica", "thin_restore", "-i", xml, "-o", metadata]);
    makeCodeCache(0, "thin_ls", metadata);
    makeCodeCache(1, "--root", join(folder, "none"), "ls");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
