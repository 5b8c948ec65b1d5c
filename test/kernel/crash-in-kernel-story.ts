import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { DeviceSet } from "../../src/graph/graph.ts";

/** Contents by device and file name, as digests. */
export type Contents = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** An operation whose success was told, and what there has to be from then on. */
export interface Step {
  name: string;
  /** The device that the operation makes, changes or removes. */
  touched: string;
  contents: Contents;
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Does things to a graph, and remembers what has to be there after each. */
export class Story {
  readonly steps: Step[] = [];
  readonly #mark: (name: string) => void;
  readonly #contents: Map<string, ReadonlyMap<string, string>>;

  /**
   * @param mark is told each step's name when the step has succeeded
   * @param before what is in the graph already
   */
  constructor(mark: (name: string) => void, before: Contents = new Map()) {
    this.#mark = mark;
    this.#contents = new Map(before);
  }

  /** What has to be there now. */
  get contents(): Contents {
    return new Map(this.#contents);
  }

  /** The first step: the graph is there. */
  opened(): void {
    this.#done("open", "base");
  }

  async create(set: DeviceSet, id: string, parent: string, sizeBytes?: number): Promise<void> {
    await set.create(id, parent, sizeBytes === undefined ? {} : { sizeBytes });
    this.#contents.set(id, new Map(this.#contents.get(parent) ?? []));
    this.#done("create", id);
  }

  async remove(set: DeviceSet, id: string): Promise<void> {
    await set.remove(id);
    this.#contents.delete(id);
    this.#done("remove", id);
  }

  /** Writes a file of a mounted device and syncs it. */
  write(rootfs: string, id: string, name: string, kibibytes: number): void {
    const bytes = randomBytes(kibibytes * 1024);
    const file = openSync(join(rootfs, name), "w");
    const folder = openSync(rootfs, "r");
    try {
      writeSync(file, bytes);
      fsyncSync(file);
      fsyncSync(folder);
    } finally {
      closeSync(file);
      closeSync(folder);
    }
    this.#contents.set(id, new Map([...this.#contents.get(id)!, [name, sha256(bytes)]]));
    this.#done("write", id);
  }

  /** Something that changes no contents, but has to succeed. */
  did(name: string, touched: string): void {
    this.#done(name, touched);
  }

  #done(name: string, touched: string): void {
    this.steps.push({ name: `${this.steps.length}-${name}-${touched}`, touched, contents: new Map(this.#contents) });
    this.#mark(this.steps.at(-1)!.name);
  }
}

/**
 * Everything that the steps up to `done` (-1: none) told of is there, whole; of the step after it, all or nothing, or the
 * contents as before.
 */
export async function requireStory(set: DeviceSet, steps: readonly Step[], done: number): Promise<void> {
  const told: Contents = steps[done]?.contents ?? new Map();
  const next = steps[done + 1] as Step | undefined;
  const present = new Set((await set.devices()).filter(({ deleted }) => !deleted).map(({ id }) => id));
  for (const id of told.keys()) {
    const mayBeGone = next?.touched === id && !next.contents.has(id);
    assert.ok(present.has(id) || mayBeGone, `device ${id} is lost`);
  }
  for (const id of present) {
    if (id === "base") continue;
    const expected = told.get(id) ?? (next?.touched === id ? next.contents.get(id) : undefined);
    assert.ok(expected !== undefined, `device ${id} should not be there`);
    const rootfs = await set.get(id);
    const files = readdirSync(rootfs).filter((name) => name !== "lost+found");
    for (const [name, digest] of expected) {
      assert.ok(files.includes(name), `${id}/${name} is lost`);
      assert.equal(sha256(readFileSync(join(rootfs, name))), digest, `${id}/${name}`);
    }
    if (next?.touched !== id) assert.equal(files.length, expected.size, `${id}: ${files.join(" ")}`);
    await set.put(id);
  }
}
