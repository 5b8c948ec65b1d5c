import { deflateSync, inflateSync } from "node:zlib";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { bitmapKind, indexKind, superblockKind } from "../../persistent-data/block-kind.ts";
import { sealFault } from "../../persistent-data/block-seal.ts";
import { Block, blockBytes, blockMemory } from "../../persistent-data/block.ts";
import { btreeNodeKind } from "../../persistent-data/btree-node.ts";
import { mostMetadataBlocks } from "../../persistent-data/metadata-limit.ts";
import { BlockPacker } from "./block-packer.ts";
import { BlockUnpacker, PackError } from "./block-unpacker.ts";
import { blocksPerPiece, packHeaderBytes, packMagic, packVersion } from "./pack-format.ts";

const otherKinds = [superblockKind, bitmapKind, indexKind];

/** A piece of 1024 blocks is 4 MiB, and somewhat more where its instructions save nothing. */
const mostPieceBytes = 1 << 26;

/**
 * Packs what metadata there is on a device, to be sent to who is to look at it: blocks with a checksum of metadata, and no others.
 *
 * @param write told the packed metadata, piece by piece
 * @returns how many blocks were packed
 */
export function packMetadata(file: BlockFile, write: (bytes: Uint8Array) => void): number {
  const blocks = file.sizeBlocks();
  const header = Buffer.alloc(packHeaderBytes);
  for (const [i, value] of [packMagic, packVersion, BigInt(blockBytes), BigInt(blocks)].entries()) {
    header.writeBigUInt64LE(value, 8 * i);
  }
  write(header);
  const packer = new BlockPacker(blocksPerPiece);
  const memory = blockMemory();
  let packed = 0;
  const flush = (): void => {
    const compressed = deflateSync(packer.packed);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(compressed.length));
    write(length);
    write(compressed);
    packer.clear();
  };
  for (let number = 0; number < blocks; number++) {
    const block = new Block(number, memory);
    file.read(number, block.bytes);
    if (sealFault(block, btreeNodeKind) === undefined) packer.addNode(number, block.bytes, block.words);
    else if (otherKinds.some((kind) => sealFault(block, kind) === undefined)) packer.addBlock(number, block.bytes);
    else continue;
    if (++packed % blocksPerPiece === 0) flush();
  }
  if (packed % blocksPerPiece > 0) flush();
  return packed;
}

/** Where packed metadata is read: gives the next bytes, fewer at its end. */
export type ReadPacked = (bytes: number) => Buffer;

/** Where unpacked blocks go. */
export interface UnpackTarget {
  /** Told first, how many blocks the device had. */
  resize(blocks: number): void;
  write(block: number, bytes: Uint8Array): void;
}

/** Unpacks metadata. Blocks that are not in it are left as they are. @throws PackError when it is no packed metadata, or is damaged */
export function unpackMetadata(read: ReadPacked, target: UnpackTarget): void {
  const header = read(packHeaderBytes);
  if (header.length < packHeaderBytes || header.readBigUInt64LE(0) !== packMagic)
    throw new PackError("it is no packed metadata");
  if (header.readBigUInt64LE(8) !== packVersion) {
    throw new PackError(`it is of version ${header.readBigUInt64LE(8)}, not ${packVersion}`);
  }
  const blocks = Number(header.readBigUInt64LE(24));
  if (header.readBigUInt64LE(16) !== BigInt(blockBytes) || blocks > mostMetadataBlocks) {
    throw new PackError("its header tells of blocks that no pool's metadata has");
  }
  target.resize(blocks);
  for (let length = read(8); length.length > 0; length = read(8)) {
    const bytes = length.length === 8 ? Number(length.readBigUInt64LE()) : mostPieceBytes;
    const piece = bytes < mostPieceBytes ? read(bytes) : Buffer.alloc(0);
    if (piece.length !== bytes) throw new PackError("it ends within a piece");
    const unpacker = new BlockUnpacker(inflate(piece));
    while (unpacker.more) {
      const number = Number(unpacker.blockNumber());
      const block = unpacker.block();
      if (number >= blocks) throw new PackError(`it has a block ${number}; the device had ${blocks}`);
      target.write(number, block);
    }
  }
}

function inflate(piece: Buffer): Buffer {
  try {
    return inflateSync(piece, { maxOutputLength: mostPieceBytes });
  } catch (error) {
    throw new PackError(`a piece cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
