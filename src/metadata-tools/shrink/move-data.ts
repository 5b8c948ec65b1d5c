import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { alignedBuffer } from "../../linux/aligned-buffer.ts";
import { deviceSizeBytes, isBlockDevice } from "../../linux/block-device.ts";
import { ThinError } from "../../thin/errors.ts";
import type { BlockMoves } from "./block-moves.ts";

const pieceBytes = 1 << 20;
/** Of addresses and offsets in direct I/O. */
const alignment = 4096;

/**
 * Copies data blocks to where they are moved, and waits until they are on the medium. What is written to was free: until metadata that names
 * the new places is in force, nothing has changed for anybody, so that this may be broken off and begun again.
 *
 * @param path of the pool's data, a file or a block device. The latter is read and written past the page cache, as the kernel's pools do
 * @throws ThinError EINVAL when it ends before what is to be moved
 */
export function moveData(path: string, moves: BlockMoves, blockBytes: number): void {
  const direct = isBlockDevice(path) ? constants.O_DIRECT : 0;
  const fd = openSync(path, constants.O_RDWR | direct);
  try {
    const sizeBlocks = Math.floor(deviceSizeBytes(fd) / blockBytes);
    if (sizeBlocks < moves.endBlock) {
      throw new ThinError(
        "EINVAL",
        `Cannot move the data of ${path}: it has ${sizeBlocks} blocks, and the pool uses ${moves.endBlock}. Is it another pool's?`,
      );
    }
    const buffer = alignedBuffer(pieceBytes, alignment);
    for (const { from, to, blocks } of moves) {
      copy(fd, buffer, from * blockBytes, to * blockBytes, blocks * blockBytes);
    }
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function copy(fd: number, buffer: Buffer, from: number, to: number, bytes: number): void {
  for (let done = 0; done < bytes;) {
    const got = readSync(fd, buffer, 0, Math.min(buffer.length, bytes - done), from + done);
    if (got === 0) throw new ThinError("EIO", `Cannot read the data at byte ${from + done}: it ends there`);
    for (let written = 0; written < got;) {
      written += writeSync(fd, buffer, written, got - written, to + done + written);
    }
    done += got;
  }
}
