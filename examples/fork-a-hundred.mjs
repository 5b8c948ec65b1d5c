// Makes a device, forks it a hundred times and writes to each fork; then shows what that cost.
// Run as root, after `npm start` or `npm run build`:  node examples/fork-a-hundred.mjs [FOLDER]
// Without FOLDER the graph is a temporary one and is removed at the end.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { humanSize, openGraph } from "mica";

const forks = 100;
const temporary = process.argv[2] === undefined ? mkdtempSync(join(tmpdir(), "mica-forks-")) : undefined;
const root = process.argv[2] ?? temporary;

const graph = await openGraph({ root, storageOptions: ["dm.basesize=1G"] });
try {
  const { devices } = graph;

  // The original: a snapshot of the empty base device, with 32 MiB of our data in it.
  await devices.create("original");
  writeFileSync(join(await devices.get("original"), "model.bin"), Buffer.alloc(32 * 1024 * 1024, "mica"));
  await devices.put("original");

  // A fork costs the same however much its original holds: it shares every block until one of the two writes to it.
  const started = performance.now();
  for (let fork = 1; fork <= forks; fork++) await devices.create(`fork-${fork}`, "original");
  const each = (performance.now() - started) / forks;
  console.log(`${forks} forks of 32 MiB made, ${each.toFixed(1)} ms each`);

  for (let fork = 1; fork <= forks; fork++) {
    const folder = await devices.get(`fork-${fork}`);
    writeFileSync(join(folder, "mine.txt"), `I am fork ${fork}\n`);
    await devices.put(`fork-${fork}`);
  }

  for (const fork of [1, 50, forks]) {
    const folder = await devices.get(`fork-${fork}`);
    const model = readFileSync(join(folder, "model.bin"));
    const mine = readFileSync(join(folder, "mine.txt"), "utf8").trim();
    console.log(`fork-${fork}: "${mine}", and ${humanSize(model.length)} shared with the original`);
    await devices.put(`fork-${fork}`);
  }

  const usage = await devices.usage();
  const own = usage.filter(({ id }) => id.startsWith("fork-"));
  const alone = own.reduce((sum, { exclusiveBytes }) => sum + exclusiveBytes, 0);
  const mapped = own.reduce((sum, { mappedBytes }) => sum + mappedBytes, 0);
  console.log(`together the forks see ${humanSize(mapped)} and hold ${humanSize(alone)} of their own`);

  for (let fork = 1; fork <= forks; fork++) await devices.remove(`fork-${fork}`);
  await devices.remove("original");
} finally {
  await graph.shutdown();
  if (temporary !== undefined) rmSync(temporary, { recursive: true });
}
