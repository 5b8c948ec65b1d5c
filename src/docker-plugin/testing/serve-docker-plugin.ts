/**
 * A program that serves a graph to Docker until it is told to end (SIGTERM). Arguments: the graph's root, the socket, the run folder
 * of user-space pools, and storage options. Prints "ready" when it answers.
 */
import { pino } from "pino";
import { testMapper } from "../../graph/testing/test-mapper.ts";
import { openGraph } from "../../index.ts";
import { serveDockerPlugin } from "../docker-plugin.ts";

const [root, socket, runDir, ...storageOptions] = process.argv.slice(2);
const log = pino({ level: process.env["MICA_TEST_LOG_LEVEL"] ?? "warn" }, pino.destination(2));
const graph = await openGraph({
  root,
  deviceMapper: testMapper(runDir),
  storageOptions,
  autogrow: { enabled: false },
  log: (level, message) => log[level](message),
});
const service = await serveDockerPlugin({ devices: graph.devices, store: graph.store, log }, { socket });
process.once("SIGTERM", () => {
  void service
    .close()
    .then(() => graph.close())
    .then(() => process.exit(0));
});
console.log("ready");
