/*
 * The program behind apply-layer.ts and decompress.ts, run as `apply-layer.js apply 3<REQUEST` or `apply-layer.js decompress`.
 * A process of its own because it makes the layer's folder its root, and so that unpacking runs beside hashing and inflating.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { call, libc } from "../linux/libc.ts";
import { chroot } from "../linux/special-files.ts";
import { dieWithParent } from "../linux/die-with-parent.ts";
import type { ApplyAnswer, ApplyRequest } from "./apply-answer.ts";
import { decompressStream } from "./decompress-stream.ts";
import { extractTar } from "./extract-tar.ts";
import { loadLibarchive } from "./libarchive.ts";

const STDIN = 0;
const STDOUT = 1;
/** Gives an ApplyRequest as JSON, and may keep it back until everything is loaded. */
const REQUEST_FD = 3;
const LC_ALL = 6;

function apply(): ApplyAnswer {
  // Its input would end as if it were whole, and the file system would stay in use for a while.
  dieWithParent();
  const lib = loadLibarchive();
  // Names in pax headers are UTF-8; in the C locale libarchive could not take them.
  const locale: unknown = libc("void *setlocale(int, const char *)")(LC_ALL, "C.UTF-8");
  if (locale === null) {
    throw new Error("Cannot unpack layers: the C.UTF-8 locale is missing (Debian: package libc-bin)");
  }
  const { root, owners } = JSON.parse(readFileSync(REQUEST_FD, "utf8")) as ApplyRequest;
  const rootFd = openSync(root, "r");
  chroot(root);
  process.umask(0o022);
  const result = extractTar(lib, STDIN, owners);
  drain(STDIN);
  call({ syscall: "write to disk", path: root }, "int syncfs(int)", rootFd);
  closeSync(rootFd);
  return { ok: true, ...result };
}

/** What follows the end of the archive is read, so that its writer sees no broken pipe. */
function drain(fd: number): void {
  const buffer = Buffer.allocUnsafe(1 << 16);
  while (readSync(fd, buffer, 0, buffer.length, null) > 0);
}

function answer(answer: ApplyAnswer): void {
  writeSync(STDOUT, JSON.stringify(answer) + "\n");
}

const mode = process.argv.at(2);
try {
  if (mode === "decompress") decompressStream(loadLibarchive(), STDIN, STDOUT);
  else if (mode === "apply") answer(apply());
  else throw new Error("This program is run by mica itself, not by hand.");
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  if (mode === "apply") answer({ ok: false, message });
  else process.stderr.write(message + "\n");
  process.exitCode = 1;
}
