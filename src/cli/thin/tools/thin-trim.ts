import { closeSync, openSync } from "node:fs";
import { blockDiscard, deviceSizeBytes, isBlockDevice } from "../../../linux/block-device.ts";
import { punchHole } from "../../../linux/fallocate.ts";
import { examine } from "../../../metadata-tools/examination.ts";
import { freeExtents } from "../../../metadata-tools/free-extents.ts";
import { ThinMetadata } from "../../../thin/metadata.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { claimToWrite } from "../open-to-write.ts";
import { printError } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";

const sectorBytes = 512;

/** `thin_trim` */
export const tool: ThinTool = {
  name: "thin_trim",
  summary: "give a pool's free data blocks back to what the data lies on",
  operands: "--metadata-dev {device|file} --data-dev {device|file}",
  description: [
    "Discards every block of a pool's data to which its metadata does not refer: on a block device by discards, in a file by holes. The metadata is checked first; where that finds loss, nothing is discarded. The data device must be as large as the metadata says.",
    "The pool must not run meanwhile, nor have died with changes in its journal.",
  ],
  options: [
    { long: "metadata-dev", argument: "required", value: "{device|file}", help: "The pool's metadata." },
    { long: "data-dev", argument: "required", value: "{device|file}", help: "The pool's data." },
    { long: "pool-inactive", help: "Taken, as older versions want it: it is found out anyway." },
    { long: "quiet", short: "q", help: "Do not tell how much was discarded." },
  ],
  examples: [
    ["thin_trim --metadata-dev /dev/vg/pool_tmeta --data-dev /dev/vg/pool_tdata", "of a pool that is not active"],
  ],
  run(line) {
    const metadataPath = line.value("metadata-dev");
    const dataPath = line.value("data-dev");
    if (metadataPath === undefined) throw new UsageError("--metadata-dev not specified.");
    if (dataPath === undefined) throw new UsageError("--data-dev not specified.");
    requireSound(metadataPath);
    claimToWrite(metadataPath);
    claimToWrite(dataPath);
    const metadata = ThinMetadata.open(metadataPath, { readOnly: true });
    const fd = openSync(dataPath, "r+");
    try {
      const blocks = discardFree(metadata, fd, dataPath);
      if (!line.has("quiet")) printError(`${blocks} of ${metadata.dataBlocks} data blocks discarded\n`);
    } finally {
      closeSync(fd);
      metadata.close();
    }
    return exitStatus.success;
  },
};

function requireSound(path: string): void {
  const file = openToRead(path, "stopped");
  try {
    const { problems } = examine(file);
    if (problems.worst !== "fatal") return;
    throw new Error(
      `Cannot trim by ${path}: it is damaged (${problems.list[0]}). Run thin_check and thin_repair first.`,
    );
  } finally {
    file.close();
  }
}

/** Returns how many blocks were discarded. */
function discardFree(metadata: ThinMetadata, fd: number, path: string): number {
  const blockBytes = metadata.dataBlockSize * sectorBytes;
  const sizeBlocks = Math.floor(deviceSizeBytes(fd) / blockBytes);
  if (sizeBlocks !== metadata.dataBlocks) {
    throw new Error(
      `Cannot trim ${path}: it has ${sizeBlocks} blocks, and the pool's data ${metadata.dataBlocks}. Is it another pool's?`,
    );
  }
  const discard = isBlockDevice(path) ? blockDiscard : punchHole;
  let discarded = 0;
  for (const { begin, blocks } of freeExtents(metadata)) {
    discard(fd, begin * blockBytes, blocks * blockBytes);
    discarded += blocks;
  }
  return discarded;
}
