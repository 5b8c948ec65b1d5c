import { createHash } from "node:crypto";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { superblockKind } from "../persistent-data/block-kind.ts";
import { seal } from "../persistent-data/block-seal.ts";
import { Block } from "../persistent-data/block.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import {
  readSuperblock,
  setNeedsCheckFlag,
  type Superblock,
  superblockLocation,
  verifySuperblock,
  writeSuperblock,
} from "./superblock.ts";

/** The committed superblock, on the device and in memory. */
export class SuperblockStore {
  readonly #file: BlockFile;
  #committed = new Block(superblockLocation);

  constructor(file: BlockFile) {
    this.#file = file;
  }

  /** The block as it was committed last; not to be changed. */
  get block(): Block {
    return this.#committed;
  }

  /** Hex digest that identifies the block; the needs_check flag and the checksum do not count. */
  get digest(): string {
    const copy = this.#copy();
    setNeedsCheckFlag(copy, false);
    return createHash("sha256").update(copy.payload).digest("hex");
  }

  /** Reads it from the device. @throws {MetadataError} */
  load(): Superblock {
    const block = new Block(superblockLocation);
    this.#file.read(superblockLocation, block.bytes);
    verifySuperblock(block, this.#file.readOnly);
    const superblock = readSuperblock(block);
    if (superblock.metadataSpaceMap.blocks > this.#file.sizeBlocks()) {
      throw new MetadataError(
        "EINVAL",
        `Cannot open the pool's metadata: the device has ${this.#file.sizeBlocks()} blocks, the superblock says ${superblock.metadataSpaceMap.blocks}. Was it cut short?`,
        { block: superblockLocation, kind: superblockKind.name },
      );
    }
    this.#committed = block;
    return superblock;
  }

  /** Commits: what was flushed before is reachable from here on. */
  write(superblock: Superblock): void {
    const next = this.#copy();
    writeSuperblock(next, superblock);
    this.#write(next);
  }

  /** Changes only the flag. */
  writeNeedsCheck(needsCheck: boolean): void {
    const next = this.#copy();
    setNeedsCheckFlag(next, needsCheck);
    this.#write(next);
  }

  #write(next: Block): void {
    seal(next, superblockKind);
    this.#file.write(superblockLocation, [next.bytes]);
    this.#file.flush();
    this.#committed = next;
  }

  #copy(): Block {
    const copy = new Block(superblockLocation);
    copy.words.set(this.#committed.words);
    return copy;
  }
}
