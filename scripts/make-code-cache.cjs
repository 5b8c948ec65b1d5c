// Runs a command, and keeps what V8 compiled for it beside dist/mica.cjs: `node scripts/make-code-cache.cjs COMMAND…`. The build calls it.
const { renameSync, writeFileSync } = require("node:fs");
const { start } = require("../bin/start.cjs");

const { script, cache } = start();
process.on("exit", () => {
  writeFileSync(`${cache}.new`, script.createCachedData());
  renameSync(`${cache}.new`, cache);
});
