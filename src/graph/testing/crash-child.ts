/**
 * A program that opens a graph, does one thing to it, and kills itself at a given step of it. Arguments: root, run folder,
 * operation (`open`, `create ID PARENT`, `remove ID`), number of the step, from 0; prints the step. Ends with status 0 when there is no such step.
 */
import { writeSync } from "node:fs";
import { openDeviceSet } from "../graph.ts";
import { smallSizes } from "./test-graph.ts";
import { testMapper } from "./test-mapper.ts";

const [root, runDir, operation, stepText] = process.argv.slice(2);
const dieAt = Number(stepText);
let step = 0;
let counting = operation === "open";

function die(level: string, message: string): void {
  if (level !== "debug" || !counting || step++ !== dieAt) return;
  writeSync(1, message);
  process.kill(process.pid, "SIGKILL");
}

const set = await openDeviceSet({
  root,
  deviceMapper: testMapper(runDir),
  storageOptions: operation === "open" ? smallSizes : [],
  log: die,
});
counting = true;
const [verb, id, parent] = operation.split(" ");
if (verb === "create") await set.create(id, parent);
if (verb === "remove") await set.remove(id);
await set.close();
