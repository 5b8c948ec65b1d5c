import { closeSync, ftruncateSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ThinMetadata } from "../../thin/metadata.ts";
import type { PoolFiles } from "../frozen-pool.ts";

const BLOCK_BYTES = 65_536;

/** Makes a stopped pool whose devices 1, 2 … hold what image files do, zeroes unmapped. */
export function poolOfImages(folder: string, images: string[]): PoolFiles {
  const files = { metadataPath: join(folder, "metadata"), dataPath: join(folder, "data") };
  writeFileSync(files.metadataPath, "");
  truncateSync(files.metadataPath, 16 << 20);
  const metadata = ThinMetadata.format(files.metadataPath, { dataBlockSize: BLOCK_BYTES / 512, dataBlocks: 65_536 });
  const data = openSync(files.dataPath, "w");
  ftruncateSync(data, 65_536 * BLOCK_BYTES);
  images.forEach((image, index) => {
    metadata.createThin(index + 1);
    const mapping = metadata.openDevice(index + 1);
    eachBlock(image, (virtualBlock, bytes) => {
      const dataBlock = metadata.allocateDataBlock();
      writeSync(data, bytes, 0, bytes.length, dataBlock * BLOCK_BYTES);
      mapping.insert(virtualBlock, dataBlock);
    });
    metadata.closeDevice(index + 1);
  });
  metadata.commit(() => undefined);
  metadata.close();
  closeSync(data);
  return files;
}

/** Calls for each block that has anything but zeroes. */
function eachBlock(path: string, visit: (block: number, bytes: Buffer) => void): void {
  const fd = openSync(path, "r");
  const bytes = Buffer.alloc(BLOCK_BYTES);
  const zeroes = Buffer.alloc(BLOCK_BYTES);
  for (let block = 0; ; block++) {
    const length = readSync(fd, bytes, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    if (length === 0) break;
    if (bytes.compare(zeroes, 0, length, 0, length) !== 0) visit(block, bytes);
  }
  closeSync(fd);
}
