// Runs dist/mica.cjs, and of it dist/command-line.cjs, with what V8 compiled of them when they were built (scripts/build-command.mjs), which is a third of
// what a short command takes besides Node's own start. V8 itself refuses what another version of it has made, and compiles as ever.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

/** Of this very program: V8 compares no more than the length. The build writes the name, a digest, into the first comment. */
function codeCacheOf(program, source) {
  return `${program}.${source.slice(2, 18)}.cache`;
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** What a program of dist/ exports. A cache can be made of its script afterwards, for the path `cache`. */
function load(name) {
  const program = join(__dirname, `../dist/${name}.cjs`);
  const source = readFileSync(program, "latin1"); // outside of comments, esbuild writes ASCII
  const cache = codeCacheOf(program, source);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: program,
    cachedData: readIfThere(cache),
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program));
  return { exports: module.exports, script, cache };
}

/** Runs the program. @param loaded is told of each part of it */
exports.start = (loaded = () => undefined) => {
  const part = (name) => {
    const program = load(name);
    loaded(program);
    return program.exports;
  };
  void part("mica").start(() => Promise.resolve(part("command-line")));
};
