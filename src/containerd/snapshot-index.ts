import type { SnapshotRecord } from "./snapshot-record.ts";

/** All snapshots, in memory: by key, and how many descend from each. */
export class SnapshotIndex {
  readonly #records = new Map<string, SnapshotRecord>();
  /** By a parent's key: its children, and those that are being made. */
  readonly #children = new Map<string, number>();
  /** Keys that a commit under way is about to give. */
  readonly #promised = new Set<string>();

  get(key: string): SnapshotRecord | undefined {
    return this.#records.get(key);
  }

  /** Whether a key is taken, or about to be. */
  has(key: string): boolean {
    return this.#records.has(key) || this.#promised.has(key);
  }

  /** In no order. */
  records(): IterableIterator<SnapshotRecord> {
    return this.#records.values();
  }

  hasChildren(key: string): boolean {
    return this.#children.has(key);
  }

  add(record: SnapshotRecord): void {
    this.#records.set(record.key, record);
    this.#count(record.parent, 1);
  }

  remove(record: SnapshotRecord): void {
    this.#records.delete(record.key);
    this.#count(record.parent, -1);
  }

  /** Of the same key and parent. */
  replace(record: SnapshotRecord): void {
    this.#records.set(record.key, record);
  }

  /** Runs what makes a child of a snapshot, which cannot be removed meanwhile. */
  async withChild<T>(parent: string, task: () => Promise<T>): Promise<T> {
    this.#count(parent, 1);
    try {
      return await task();
    } finally {
      this.#count(parent, -1);
    }
  }

  /** Runs what ends in giving a free key to a snapshot: it is nobody else's meanwhile. */
  async withPromise<T>(key: string, task: () => Promise<T>): Promise<T> {
    this.#promised.add(key);
    try {
      return await task();
    } finally {
      this.#promised.delete(key);
    }
  }

  #count(parent: string, change: 1 | -1): void {
    if (parent === "") return;
    const count = (this.#children.get(parent) ?? 0) + change;
    if (count > 0) this.#children.set(parent, count);
    else this.#children.delete(parent);
  }
}
