import { keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { readU64, writeU64 } from "../persistent-data/u64.ts";
import { type DeviceDetails, type DeviceRecord, readDetails, writeDetails } from "./device-record.ts";
import type { MetadataTrees } from "./metadata-trees.ts";

/** The pool's thin devices: the tree of their mapping trees, and that of their details. */
export class DeviceTable {
  readonly #trees: MetadataTrees;
  readonly #records = new Map<number, DeviceRecord>();
  readonly #changed = new Set<DeviceRecord>();
  mappingRoot: number;
  detailsRoot: number;

  constructor(trees: MetadataTrees, roots: { mappingRoot: number; detailsRoot: number }) {
    this.#trees = trees;
    this.mappingRoot = roots.mappingRoot;
    this.detailsRoot = roots.detailsRoot;
  }

  /** Devices whose details are to be written. */
  get changes(): number {
    return this.#changed.size;
  }

  get(id: number): DeviceRecord | undefined {
    const known = this.#records.get(id);
    if (known !== undefined) return known;
    const { devices, details } = this.#trees;
    if (!details.find(this.detailsRoot, id)) return undefined;
    const found = readDetails(details.leaf.words, details.valueWord, id);
    if (!devices.find(this.mappingRoot, id)) {
      throw new MetadataError(
        "EILSEQ",
        `Cannot open thin device ${id}: it has details but no mapping tree. Run thin_check and thin_repair.`,
      );
    }
    const record = { ...found, root: readU64(devices.leaf.words, devices.valueWord) };
    this.#records.set(id, record);
    return record;
  }

  /** All devices by ascending id. */
  *all(): IterableIterator<DeviceDetails> {
    for (const { words, first, last } of this.#trees.details.leaves(this.detailsRoot, 0, Infinity)) {
      for (let entry = first; entry < last; entry++) {
        const id = keyAt(words, entry);
        yield this.#records.get(id) ?? readDetails(words, valueAt(words, entry), id);
      }
    }
  }

  /** Adds a device, whose record has a reference to its root. */
  add(record: DeviceRecord): void {
    this.#setRoot(record);
    this.#writeDetails(record);
    this.#records.set(record.id, record);
  }

  /** Takes a device out and drops what it maps. */
  delete(record: DeviceRecord): void {
    const { devicesRemover, detailsRemover } = this.#trees;
    this.mappingRoot = devicesRemover.removeRange(this.mappingRoot, record.id, record.id + 1);
    this.detailsRoot = detailsRemover.removeRange(this.detailsRoot, record.id, record.id + 1);
    this.#records.delete(record.id);
    this.#changed.delete(record);
  }

  /** Notes that a record's details are to be written. */
  touch(record: DeviceRecord): void {
    this.#changed.add(record);
  }

  /**
   * Makes a device's root one that may be changed in place. The way to it is made so first: if a metadata snapshot shares
   * that, the root is shared too, and only copying the way brings its count to say so.
   */
  ownRoot(record: DeviceRecord): void {
    if (this.#trees.transaction.isOwn(record.root)) return;
    const { devices, mappings } = this.#trees;
    this.mappingRoot = devices.slot(this.mappingRoot, record.id);
    record.root = mappings.own(record.root).number;
    writeU64(devices.leaf.words, devices.valueWord, record.root);
  }

  /** Notes a device's new root. */
  #setRoot(record: DeviceRecord): void {
    const { devices } = this.#trees;
    this.mappingRoot = devices.slot(this.mappingRoot, record.id);
    writeU64(devices.leaf.words, devices.valueWord, record.root);
  }

  /** Writes the details that changed. */
  write(): void {
    for (const record of this.#changed) this.#writeDetails(record);
    this.#changed.clear();
  }

  /** Forgets the records, save those to keep. */
  prune(keep: (id: number) => boolean): void {
    for (const id of this.#records.keys()) if (!keep(id)) this.#records.delete(id);
  }

  #writeDetails(record: DeviceRecord): void {
    const { details } = this.#trees;
    this.detailsRoot = details.slot(this.detailsRoot, record.id);
    writeDetails(details.leaf.words, details.valueWord, record);
  }
}
