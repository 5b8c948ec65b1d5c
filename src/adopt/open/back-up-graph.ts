import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DockerGraph } from "../../docker-graph/docker-graph.ts";
import { syncFolder } from "../../graph/files/json-file.ts";
import { copySparse } from "../../linux/copy-sparse.ts";

/**
 * Copies what tells what is where, before anything is changed: the pool's metadata and the graph's own files. Data is not copied: blocks that
 * an old device refers to are never written over, as long as that device is not written to or removed.
 *
 * @param metadataPath the pool's metadata, at rest
 * @returns the new folder, beside the graph: `mica-backup-TIME`
 */
export function backUpGraph({ dataRoot, graphRoot }: DockerGraph, metadataPath: string): string {
  const time = new Date().toISOString().replaceAll(":", "-").replace(/\..*$/, "");
  const folder = freeName(join(dataRoot, `mica-backup-${time}`));
  mkdirSync(folder, { mode: 0o700 });
  copySparse(metadataPath, join(folder, "pool-metadata"));
  for (const part of ["metadata", "devicemapper/json", "storage-options.json", "image", "containers"]) {
    const source = join(graphRoot, part);
    if (existsSync(source)) cpSync(source, join(folder, "graph", part), { recursive: true, preserveTimestamps: true });
  }
  syncFolder(folder);
  syncFolder(dataRoot);
  return folder;
}

function freeName(wanted: string): string {
  for (let number = 1, name = wanted; ; name = `${wanted}-${++number}`) if (!existsSync(name)) return name;
}
