import { statSync } from "node:fs";
import { dump, type PoolSink } from "../../metadata-tools/dump.ts";
import { PoolReader, readState } from "../../metadata-tools/pool-reader.ts";
import { UsedExtents } from "../../metadata-tools/shrink/used-extents.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openToRead } from "./open-to-read.ts";
import { claimToWrite } from "./open-to-write.ts";
import { readPoolXml } from "./pool-xml-file.ts";

/** A pool that is to be shrunk, as it is now. */
export interface ShrinkSource {
  /** What its devices map. */
  readonly mapped: UsedExtents;
  /** What must not be written over: that, and what its metadata snapshot maps. */
  readonly kept: UsedExtents;
  /** Tells the pool once more. */
  tell(sink: PoolSink): void;
  close(): void;
}

/** A pool as XML tells it, in which there is no metadata snapshot. @throws ThinError EINVAL when it is no dump of a pool */
export function xmlSource(path: string): ShrinkSource {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    throw new Error(
      `Cannot shrink by ${path}: it is no file, and must be read twice. For a metadata device give --binary.`,
    );
  }
  const mapped = new UsedExtents();
  readPoolXml(path, mapped);
  return { mapped, kept: mapped, tell: (sink) => readPoolXml(path, sink), close: () => undefined };
}

/** A pool by its metadata, which nobody else may have meanwhile. @throws MetadataError when that is damaged */
export function metadataSource(path: string): ShrinkSource {
  const file = openToRead(path, "stopped");
  try {
    claimToWrite(path);
    const superblock = readState(file, "committed");
    const tell = (sink: PoolSink): void => dump(new PoolReader(file, superblock), sink);
    const mapped = new UsedExtents();
    tell(mapped);
    const kept = superblock.heldRoot === 0 ? mapped : new UsedExtents();
    if (kept !== mapped) {
      tell(kept);
      tellSnapshot(file, kept);
    }
    return { mapped, kept, tell, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function tellSnapshot(file: BlockFile, kept: UsedExtents): void {
  // The snapshot itself does not tell how large the data is.
  const { dataBlocks } = kept.description;
  dump(new PoolReader(file, readState(file, "snapshot")), kept, { description: { dataBlocks } });
}
