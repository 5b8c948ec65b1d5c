// Runs dist/mica.cjs with what V8 compiled of it when it was built (scripts/build-command.mjs), which is a third of what a short command takes
// besides Node's own start. V8 itself refuses what another version of it has made, and compiles as ever.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

const program = join(__dirname, "../dist/mica.cjs");

/** Of this very program: V8 compares no more than the length. The build writes the name, a digest, into the first comment. */
function codeCacheOf(source) {
  return `${program}.${source.slice(2, 18)}.cache`;
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Runs the program. A cache can be made of the script afterwards, for the path `cache`. */
exports.start = () => {
  const source = readFileSync(program, "utf8");
  const cache = codeCacheOf(source);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: program,
    cachedData: readIfThere(cache),
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program));
  // A script of a cache cannot import; mica's own commands are modules.
  void module.exports.start(() => import("../dist/command-line.js"));
  return { script, cache };
};
