import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { format } from "prettier";
import { packageFile } from "../src/linux/package-root.ts";
import { dockerFunctions, missingForDocker } from "../test/kernel/docker.ts";
import { runInUserModeLinux, thinPoolModules, userModeLinuxRelease } from "../test/kernel/user-mode-linux.ts";

/** The recipes in scripts/docker-graphs, in the order in which they are made. */
const RECIPES = ["xfs", "many-containers", "deferred-deleted", "interrupted", "direct-lvm"];

/**
 * Makes Docker graphs for the tests with the real Docker Engine in User-mode Linux: test/fixtures/docker-20.10-NAME.tar.xz, and
 * beside each what Docker and the kernel said of it, docker-20.10-NAME.json.
 *
 * Usage: make-docker-graphs.ts [NAME…]
 */
async function main(names: readonly string[]): Promise<void> {
  const missing = missingForDocker();
  if (missing !== undefined)
    throw new Error(`Cannot run Docker in User-mode Linux: ${missing}. Run scripts/setup.sh test`);
  for (const name of names) {
    if (!RECIPES.includes(name)) throw new Error(`Cannot make graph '${name}': there are ${RECIPES.join(", ")}`);
    await makeGraph(name);
  }
}

async function makeGraph(name: string): Promise<void> {
  mkdirSync(packageFile(".cache"), { recursive: true });
  const [folder, out] = [
    mkdtempSync(packageFile(".cache/docker-graph-")),
    mkdtempSync(join(tmpdir(), "docker-graph-")),
  ];
  try {
    const describe = join(folder, "describe.mjs");
    await bundleDescribe(describe);
    compileWait(join(out, "wait"));
    const recipe = (file: string): string => readFileSync(packageFile(`scripts/docker-graphs/${file}.sh`), "utf8");
    const output = await runInUserModeLinux(
      [`export DESCRIBE=${describe}`, dockerFunctions, recipe("common"), recipe(name)].join("\n"),
      { modules: thinPoolModules, mebibytes: 3072, timeoutMs: 1_800_000, output: out },
    );
    process.stdout.write(output);
    const target = packageFile(`test/fixtures/docker-20.10-${name}`);
    const facts = JSON.stringify(collectFacts(name, out));
    writeFileSync(`${target}.json`, await format(facts, { parser: "json", printWidth: 120 }));
    execFileSync("sh", ["-c", `xz -9 --stdout "$1" > "$2.tar.xz"`, "sh", join(out, "graph.tar"), target]);
    process.stdout.write(`${target}.tar.xz: ${statSync(`${target}.tar.xz`).size} bytes\n`);
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(out, { recursive: true });
  }
}

/** Loading the sources one by one is slow inside. */
async function bundleDescribe(outfile: string): Promise<void> {
  await build({
    entryPoints: [packageFile("scripts/docker-graphs/describe-main.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["koffi"],
    logLevel: "warning",
  });
}

function compileWait(program: string): void {
  const source = packageFile("scripts/docker-graphs/wait.s");
  execFileSync("cc", ["-static", "-nostdlib", "-s", "-Wl,-n,--build-id=none", "-o", program, source]);
}

/** All that the recipe recorded, and the digests of `saved.tar`. */
function collectFacts(name: string, out: string): Record<string, unknown> {
  const facts: Record<string, unknown> = { graph: name, kernel: `${userModeLinuxRelease()} (User-mode Linux)` };
  for (const file of readdirSync(join(out, "facts")).sort()) {
    const text = readFileSync(join(out, "facts", file), "utf8");
    const lines = text.split("\n").filter(Boolean);
    const fact: unknown = file.endsWith(".json")
      ? JSON.parse(text)
      : file.endsWith(".jsonl")
        ? lines.map(readJson)
        : lines;
    facts[file.replace(/\.(jsonl?|txt)$/, "")] = fact;
  }
  if (readdirSync(out).includes("saved.tar")) facts.saved = digestsOf(out);
  return facts;
}

function readJson(line: string): unknown {
  return JSON.parse(line);
}

/** What `docker save` wrote: for each image its ID and names, and of each layer the digest and the size. */
function digestsOf(out: string): unknown[] {
  const folder = join(out, "saved");
  mkdirSync(folder);
  execFileSync("tar", ["-C", folder, "-xf", join(out, "saved.tar")]);
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
    Config: string;
    RepoTags: string[];
    Layers: string[];
  }[];
  return manifest.map(({ Config: config, RepoTags: tags, Layers: layers }) => ({
    id: digest(readFileSync(join(folder, config))),
    tags,
    layers: layers.map((file) => {
      const bytes = readFileSync(join(folder, file));
      return { digest: digest(bytes), size: bytes.length };
    }),
  }));
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

await main(process.argv.length > 2 ? process.argv.slice(2) : RECIPES);
