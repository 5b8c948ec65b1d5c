import type { Superblock } from "../thin/superblock.ts";
import type { DeltaKind } from "./delta.ts";
import { literal, type TextWriter } from "./text-writer.ts";

const kinds: readonly DeltaKind[] = ["left_only", "right_only", "different", "same"];
const texts = (text: (kind: DeltaKind) => string): Record<DeltaKind, Uint8Array> =>
  Object.fromEntries(kinds.map((kind) => [kind, literal(text(kind))])) as Record<DeltaKind, Uint8Array>;

const opening = texts((kind) => `    <${kind} begin="`);
const blockOpening = texts((kind) => `    <${kind}>\n`);
const blockClosing = texts((kind) => `    </${kind}>\n`);
const rangeOpening = literal('      <range begin="');
const dataBegin = literal('" data_begin="');
const leftBegin = literal('" left_data_begin="');
const rightBegin = literal('" right_data_begin="');
const lengthText = literal('" length="');
const closing = literal('"/>\n');
const poolOpening = ['<superblock uuid="" time="', '" transaction="', '" data_block_size="', '" nr_data_blocks="'].map(
  literal,
);
const snapshotText = literal('" metadata_snap="');
const diffOpening = ['">\n  <diff left="', '" right="', '">\n'].map(literal);
const ending = literal("  </diff>\n</superblock>\n");

/** What a comparison is of. */
export interface DeltaDescription {
  readonly superblock: Superblock;
  readonly dataBlocks: number;
  readonly left: number;
  readonly right: number;
}

/** A comparison of two devices in XML, byte for byte as thin_delta 0.9.0 writes it. */
export abstract class DeltaXmlWriter {
  protected readonly out: TextWriter;
  protected kind: DeltaKind | undefined;

  constructor(out: TextWriter, { superblock, dataBlocks, left, right }: DeltaDescription) {
    this.out = out;
    const values = [superblock.time, superblock.transactionId, superblock.dataBlockSizeSectors, dataBlocks];
    for (const [i, value] of values.entries()) out.text(poolOpening[i]).number(value);
    if (superblock.heldRoot !== 0) out.text(snapshotText).number(superblock.heldRoot);
    out.text(diffOpening[0]).number(left).text(diffOpening[1]).number(right).text(diffOpening[2]);
  }

  abstract add(kind: DeltaKind, virtualBlock: number, leftData: number, rightData: number, length: number): void;

  end(): void {
    this.close();
    this.out.text(ending);
  }

  /** Writes the end of what is under way. */
  protected abstract close(): void;
}

/** Tells only where devices differ: runs of a kind that meet are one. */
export class BriefDeltaWriter extends DeltaXmlWriter {
  #begin = 0;
  #end = 0;

  override add(kind: DeltaKind, virtualBlock: number, _left: number, _right: number, length: number): void {
    if (kind === this.kind && virtualBlock === this.#end) {
      this.#end += length;
      return;
    }
    this.close();
    this.kind = kind;
    this.#begin = virtualBlock;
    this.#end = virtualBlock + length;
  }

  protected override close(): void {
    if (this.kind === undefined) return;
    this.out.text(opening[this.kind]).number(this.#begin);
    this.out
      .text(lengthText)
      .number(this.#end - this.#begin)
      .text(closing);
  }
}

/** Tells the data blocks too. */
export class VerboseDeltaWriter extends DeltaXmlWriter {
  override add(kind: DeltaKind, virtualBlock: number, leftData: number, rightData: number, length: number): void {
    if (kind !== this.kind) {
      this.close();
      this.kind = kind;
      this.out.text(blockOpening[kind]);
    }
    this.out.text(rangeOpening).number(virtualBlock);
    if (kind === "different") this.out.text(leftBegin).number(leftData).text(rightBegin).number(rightData);
    else this.out.text(dataBegin).number(leftData);
    this.out.text(lengthText).number(length).text(closing);
  }

  protected override close(): void {
    if (this.kind !== undefined) this.out.text(blockClosing[this.kind]);
  }
}
