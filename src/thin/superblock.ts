import { superblockKind } from "../persistent-data/block-kind.ts";
import { sealFault } from "../persistent-data/block-seal.ts";
import { type Block, blockSectors } from "../persistent-data/block.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { readSpaceMapRoot, type SpaceMapRoot, writeSpaceMapRoot } from "../persistent-data/space-map-root.ts";
import { readU64, writeU64 } from "../persistent-data/u64.ts";

/** Where the superblock is. */
export const superblockLocation = 0;

const magic = 27022010;
const needsCheckFlag = 1;

// struct thin_disk_superblock, in 32-bit words
const flagsWord = 1;
const magicWord = 8;
const versionWord = 10;
const timeWord = 11;
const transactionIdWord = 12;
const heldRootWord = 14;
const dataSpaceMapWord = 16;
const metadataSpaceMapWord = 48;
const mappingRootWord = 80;
const detailsRootWord = 82;
const dataBlockSizeWord = 84;
const metadataBlockSizeWord = 85;
const metadataBlocksWord = 86;
const compatReadOnlyWord = 89;
const incompatWord = 90;

/** The fields of the superblock that change. What else is in it is kept as it is. */
export interface Superblock {
  needsCheck: boolean;
  version: number;
  time: number;
  transactionId: number;
  /** Metadata block of the metadata snapshot, 0 when there is none. */
  heldRoot: number;
  dataSpaceMap: SpaceMapRoot;
  metadataSpaceMap: SpaceMapRoot;
  mappingRoot: number;
  detailsRoot: number;
  dataBlockSizeSectors: number;
  /** As it was when the pool was formatted: growth shows in `metadataSpaceMap` only. */
  metadataBlocks: number;
}

/** Writes the fields into a block, which keeps its other contents. */
export function writeSuperblock({ words }: Block, superblock: Superblock): void {
  words[flagsWord] = ((words[flagsWord] & ~needsCheckFlag) | (superblock.needsCheck ? needsCheckFlag : 0)) >>> 0;
  writeU64(words, magicWord, magic);
  words[versionWord] = superblock.version;
  words[timeWord] = superblock.time;
  writeU64(words, transactionIdWord, superblock.transactionId);
  writeU64(words, heldRootWord, superblock.heldRoot);
  writeSpaceMapRoot(words, dataSpaceMapWord, superblock.dataSpaceMap);
  writeSpaceMapRoot(words, metadataSpaceMapWord, superblock.metadataSpaceMap);
  writeU64(words, mappingRootWord, superblock.mappingRoot);
  writeU64(words, detailsRootWord, superblock.detailsRoot);
  words[dataBlockSizeWord] = superblock.dataBlockSizeSectors;
  words[metadataBlockSizeWord] = blockSectors;
  writeU64(words, metadataBlocksWord, superblock.metadataBlocks);
}

/** Reads the fields of a block that `superblockFault` found nothing wrong with. */
export function readSuperblock({ words }: Block): Superblock {
  return {
    needsCheck: (words[flagsWord] & needsCheckFlag) !== 0,
    version: words[versionWord],
    time: words[timeWord],
    transactionId: readU64(words, transactionIdWord),
    heldRoot: readU64(words, heldRootWord),
    dataSpaceMap: readSpaceMapRoot(words, dataSpaceMapWord),
    metadataSpaceMap: readSpaceMapRoot(words, metadataSpaceMapWord),
    mappingRoot: readU64(words, mappingRootWord),
    detailsRoot: readU64(words, detailsRootWord),
    dataBlockSizeSectors: words[dataBlockSizeWord],
    metadataBlocks: readU64(words, metadataBlocksWord),
  };
}

/** Wipes the space map roots, which a metadata snapshot's copy of the superblock does not have. */
export function wipeSpaceMapRoots({ words }: Block): void {
  words.fill(0, dataSpaceMapWord, mappingRootWord);
}

/** Sets or clears the flag that asks for a check before the pool is used. */
export function setNeedsCheckFlag({ words }: Block, needsCheck: boolean): void {
  words[flagsWord] = ((words[flagsWord] & ~needsCheckFlag) | (needsCheck ? needsCheckFlag : 0)) >>> 0;
}

/** What is wrong with a superblock, undefined if nothing is. */
export function superblockFault(block: Block): string | undefined {
  const { words } = block;
  if (words.every((word) => word === 0)) return "it is empty";
  if (readU64(words, magicWord) !== magic) return "its magic number is wrong: this is no thin pool's metadata";
  const fault = sealFault(block, superblockKind);
  if (fault !== undefined) return fault;
  if (words[versionWord] !== 1 && words[versionWord] !== 2) return `it is of version ${words[versionWord]}, not 1 or 2`;
  if (words[incompatWord] !== 0) return "it has features that are not known here";
  if (words[metadataBlockSizeWord] !== blockSectors)
    return `its metadata blocks have ${words[metadataBlockSizeWord]} sectors`;
  if (words[dataBlockSizeWord] === 0) return "its data blocks have no size";
  return undefined;
}

/** Checks a superblock just read. @throws {MetadataError} EILSEQ; EROFS if it may only be read */
export function verifySuperblock(block: Block, readOnly: boolean): void {
  const where = { block: block.number, kind: superblockKind.name };
  const fault = superblockFault(block);
  if (fault !== undefined) {
    throw new MetadataError(
      "EILSEQ",
      `Cannot use superblock at metadata block ${block.number}: ${fault}. Run "mica check", or thin_check and thin_repair.`,
      where,
    );
  }
  if (block.words[compatReadOnlyWord] !== 0 && !readOnly) {
    throw new MetadataError(
      "EROFS",
      "Cannot open the pool to write: its superblock has features that allow reading only.",
      where,
    );
  }
}
