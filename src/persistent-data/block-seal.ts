import { crc32c } from "../linux/crc32c.ts";
import type { BlockKind } from "./block-kind.ts";
import type { Block } from "./block.ts";
import { MetadataError } from "./metadata-error.ts";
import { readU64, writeU64 } from "./u64.ts";

/** Word of the block's own number: the same in every kind. */
const numberWord = 2;

/**
 * The checksum that a block of this kind must carry in its first word: CRC-32C over the rest of it, seeded with ones and
 * without the final inversion (hence the `~` over the usual CRC), XOR the kind's salt.
 */
export function blockChecksum(block: Block, kind: BlockKind): number {
  return (~crc32c(block.payload) ^ kind.salt) >>> 0;
}

/** Makes a block ready to be written: its number and checksum set. */
export function seal(block: Block, kind: BlockKind): void {
  writeU64(block.words, numberWord, block.number);
  block.words[0] = blockChecksum(block, kind);
}

/** What is wrong with a block just read, undefined if nothing is. */
export function sealFault(block: Block, kind: BlockKind): string | undefined {
  if (block.words[0] !== blockChecksum(block, kind)) return "its checksum does not match";
  const number = readU64(block.words, numberWord);
  if (number !== block.number) return `it says that it is block ${number}`;
  return kind.fault?.(block.words);
}

/**
 * Checks a block just read.
 * @throws {MetadataError} EILSEQ, naming block and kind.
 */
export function verifySeal(block: Block, kind: BlockKind): void {
  const fault = sealFault(block, kind);
  if (fault === undefined) return;
  throw new MetadataError(
    "EILSEQ",
    `Cannot use ${kind.name} at metadata block ${block.number}: ${fault}. Run "mica check", or thin_check and thin_repair.`,
    { block: block.number, kind: kind.name },
  );
}
