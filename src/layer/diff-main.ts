/*
 * The program behind diff-process.ts, run as `diff-layer.js 3<REQUEST`. A process of its own because comparing two trees takes as long
 * as there are files, without a pause in which its caller could do something else.
 */
import { readFileSync, writeSync } from "node:fs";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { dieWithParent } from "../linux/die-with-parent.ts";
import { changes } from "./changes.ts";
import type { DiffRequest } from "./diff-request.ts";
import { diffSize } from "./diff-size.ts";
import { diffChunks } from "./pack.ts";

const STDOUT = 1;
const REQUEST_FD = 3;

async function compare({ root, parentRoot, work, owners }: DiffRequest): Promise<void> {
  const top = MountedFolder.top(root);
  const below = parentRoot === undefined ? undefined : MountedFolder.top(parentRoot);
  if (work === "pack") for (const chunk of diffChunks(top, below, owners)) writeAll(chunk);
  else if (work === "changes") writeAll(Buffer.from(JSON.stringify(await changes(top, below))));
  else writeAll(Buffer.from(JSON.stringify(diffSize(top, below))));
}

function writeAll(bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(STDOUT, bytes, done);
}

try {
  dieWithParent();
  await compare(JSON.parse(readFileSync(REQUEST_FD, "utf8")) as DiffRequest);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
