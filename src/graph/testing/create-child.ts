/** A program that makes devices in a graph: arguments are root, run folder, prefix of the names, and how many. */
import { openDeviceSet } from "../graph.ts";
import { testMapper } from "./test-mapper.ts";

const [root, runDir, prefix, count] = process.argv.slice(2);
const set = await openDeviceSet({ root, deviceMapper: testMapper(runDir) });
await Promise.all(Array.from({ length: Number(count) }, (_, index) => set.create(`${prefix}${index}`)));
await set.close();
console.log("done");
