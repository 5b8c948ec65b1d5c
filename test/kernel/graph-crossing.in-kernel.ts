// Runs inside User-mode Linux: graphs that come from the machine's user space go on in the kernel, and back (see graph-crossing.test.ts).
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseContents, useGraph, writeContents } from "./graph-crossing-work.ts";

const { OUT: out = "", TMPDIR: here = "" } = process.env;

/** The machine's files are slow to work on, and have not all that files have. */
function move(graph: string, from: string, to: string): void {
  execFileSync("cp", ["-a", "--sparse=always", join(from, graph), to]);
}

for (const fileSystem of ["ext4", "xfs"] as const) {
  test(`a graph of user space goes on in the kernel: ${fileSystem}`, async () => {
    const graph = `user-first-${fileSystem}`;
    move(graph, out, here);
    const contents = parseContents(readFileSync(join(out, `${graph}.json`), "utf8"));
    const left = await useGraph({ root: join(here, graph), fileSystem, mapper: "kernel", contents }, "kernel");
    writeContents(join(out, `${graph}.json`), left);
    mkdirSync(join(out, "back"), { recursive: true });
    move(graph, here, join(out, "back"));
  });

  test(`a graph is made in the kernel: ${fileSystem}`, async () => {
    const graph = `kernel-first-${fileSystem}`;
    const left = await useGraph(
      { root: join(here, graph), fileSystem, mapper: "kernel", contents: undefined },
      "kernel",
    );
    writeContents(join(out, `${graph}.json`), left);
    move(graph, here, join(out, "back"));
  });
}
