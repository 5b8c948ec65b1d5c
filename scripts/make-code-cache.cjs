// Runs a command, and keeps what V8 compiled for it beside the last program of dist/ that it loaded: `node scripts/make-code-cache.cjs COMMAND…`. The
// build calls it.
const { renameSync, writeFileSync } = require("node:fs");
const { start } = require("../bin/start.cjs");

let last;
start((program) => (last = program));
process.on("exit", () => {
  const { script, cache } = last;
  writeFileSync(`${cache}.new`, script.createCachedData());
  renameSync(`${cache}.new`, cache);
});
