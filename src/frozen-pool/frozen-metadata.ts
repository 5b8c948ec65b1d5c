import { type BlockFile, openBlockFile } from "../persistent-data/block-file.ts";
import type { BlockKind } from "../persistent-data/block-kind.ts";
import { verifySeal } from "../persistent-data/block-seal.ts";
import { Block } from "../persistent-data/block.ts";
import { btreeNodeKind, entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { type KeyRange, walkTree } from "../metadata-tools/tree-walk.ts";
import { type DeviceDetails, deviceDetailsWords, readDetails } from "../thin/device-record.ts";
import { mappingWords, rootWords } from "../thin/metadata-trees.ts";
import { readSuperblock, type Superblock, superblockLocation, verifySuperblock } from "../thin/superblock.ts";

/** Keys that are lost, for a node above them cannot be read. */
export interface LostKeys extends KeyRange {
  readonly fault: string;
}

/** What was found in a tree: each sound leaf is told as it is met. */
type OnLeaf = (words: Uint32Array) => void;

/** A pool's committed metadata, opened for reading only. What is damaged is passed by, and told. */
export class FrozenMetadata {
  readonly superblock: Superblock;
  readonly file: BlockFile;
  /** Mapping trees' roots by device. */
  readonly roots = new Map<number, number>();
  readonly details = new Map<number, DeviceDetails>();
  /** Ids of devices whose mapping tree's root, or whose details, are lost. */
  readonly lostRoots: LostKeys[];
  readonly lostDetails: LostKeys[];

  /** @throws MetadataError when there is no usable superblock */
  constructor(path: string) {
    this.file = openBlockFile(path, { readOnly: true });
    try {
      const block = new Block(superblockLocation);
      this.file.read(superblockLocation, block.bytes);
      verifySuperblock(block, true);
      this.superblock = readSuperblock(block);
    } catch (error) {
      this.file.close();
      throw error;
    }
    const { mappingRoot, detailsRoot } = this.superblock;
    this.lostRoots = this.walk(mappingRoot, rootWords, (words) => {
      for (let i = 0; i < entryCount(words); i++) this.roots.set(keyAt(words, i), readU64(words, valueAt(words, i)));
    });
    this.lostDetails = this.walk(detailsRoot, deviceDetailsWords, (words) => {
      for (let i = 0; i < entryCount(words); i++) {
        const id = keyAt(words, i);
        this.details.set(id, readDetails(words, valueAt(words, i), id));
      }
    });
  }

  /**
   * Walks a device's mapping tree.
   *
   * @param pass whether to pass a node by
   * @returns the ranges of virtual blocks whose mappings are lost
   */
  walkMappings(root: number, onLeaf: OnLeaf, pass?: (block: number) => boolean): LostKeys[] {
    return this.walk(root, mappingWords, onLeaf, pass);
  }

  private walk(root: number, valueWords: number, onLeaf: OnLeaf, pass?: (block: number) => boolean): LostKeys[] {
    const lost: LostKeys[] = [];
    walkTree(root, valueWords, {
      enter: (block, keys) => {
        if (pass?.(block) === true) return undefined;
        try {
          return this.read(block, btreeNodeKind);
        } catch (error) {
          if (!(error instanceof MetadataError)) throw error;
          lost.push({ ...keys, fault: error.message });
          return undefined;
        }
      },
      leaf: onLeaf,
      problem: (block, fault, keys) => lost.push({ ...keys, fault: `btree node at metadata block ${block}: ${fault}` }),
    });
    return lost;
  }

  private read(number: number, kind: BlockKind): Block {
    const { blocks } = this.superblock.metadataSpaceMap;
    if (!(number < blocks)) {
      throw new MetadataError("EILSEQ", `metadata block ${number} lies beyond the ${blocks} blocks of the metadata`);
    }
    const block = new Block(number);
    this.file.read(number, block.bytes);
    verifySeal(block, kind);
    return block;
  }
}
