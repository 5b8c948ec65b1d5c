import { rmSync } from "node:fs";
import { writeJsonFile } from "../graph/files/json-file.ts";
import { daemonFileOf, readDaemonFile, type DaemonFile } from "../service/daemon-file.ts";

/** Tells commands on the same graph where to find this daemon. @returns what takes that back, unless another daemon has taken over */
export function announce(root: string, file: DaemonFile): () => void {
  writeJsonFile(daemonFileOf(root), file, "not-durable");
  return () => {
    if (readDaemonFile(root)?.pid === file.pid) rmSync(daemonFileOf(root), { force: true });
  };
}
