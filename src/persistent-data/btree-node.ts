import type { BlockKind } from "./block-kind.ts";
import { blockBytes } from "./block.ts";
import { readU64, writeU64 } from "./u64.ts";

// struct node_header, in 32-bit words
const flagsWord = 1;
const countWord = 4;
const capacityWord = 5;
const valueBytesWord = 6;
const headerBytes = 32;
const keysWord = headerBytes / 4;

const internalFlag = 1;
const leafFlag = 2;

/** 32-bit words of a child's number in an internal node. */
export const childWords = 2;

/** Entries a node can hold: a multiple of three, so that a third is a whole number (dm-btree.c, calc_max_entries). */
export function nodeCapacity(valueWords: number): number {
  return 3 * Math.floor(Math.floor((blockBytes - headerBytes) / (8 + 4 * valueWords)) / 3);
}

/** B-tree node. Salt: dm-btree-spine.c. */
export const btreeNodeKind: BlockKind = {
  name: "btree node",
  salt: 121107,
  fault(words) {
    const capacity = words[capacityWord];
    if (headerBytes + capacity * (8 + words[valueBytesWord]) > blockBytes) return "its capacity exceeds a block";
    if (words[countWord] > capacity) return "it has more entries than its capacity";
    if (words[flagsWord] !== internalFlag && words[flagsWord] !== leafFlag)
      return "it is neither leaf nor internal node";
    if (words[flagsWord] === internalFlag && words[valueBytesWord] !== 4 * childWords) return "its value size is wrong";
    return undefined;
  },
};

/** Makes a zeroed block an empty node. */
export function initLeaf(words: Uint32Array, valueWords: number): void {
  words[flagsWord] = leafFlag;
  words[countWord] = 0;
  words[capacityWord] = nodeCapacity(valueWords);
  words[valueBytesWord] = 4 * valueWords;
}

/** Makes a block an empty internal node. */
export function initInternal(words: Uint32Array): void {
  initLeaf(words, childWords);
  words[flagsWord] = internalFlag;
}

export function isLeaf(words: Uint32Array): boolean {
  return words[flagsWord] === leafFlag;
}

export function entryCount(words: Uint32Array): number {
  return words[countWord];
}

export function capacityOf(words: Uint32Array): number {
  return words[capacityWord];
}

export function isFull(words: Uint32Array): boolean {
  return words[countWord] >= words[capacityWord];
}

/** 32-bit words of each value. */
export function valueWordsOf(words: Uint32Array): number {
  return words[valueBytesWord] >>> 2;
}

/** Entries that a node other than the root must have; thin_check insists. */
export function leastEntries(words: Uint32Array): number {
  return Math.floor(words[capacityWord] / 3);
}

export function keyAt(words: Uint32Array, entry: number): number {
  return readU64(words, keysWord + 2 * entry);
}

export function setKeyAt(words: Uint32Array, entry: number, key: number): void {
  writeU64(words, keysWord + 2 * entry, key);
}

/** The 32-bit word at which an entry's value begins. */
export function valueAt(words: Uint32Array, entry: number): number {
  return keysWord + 2 * words[capacityWord] + entry * (words[valueBytesWord] >>> 2);
}

export function childAt(words: Uint32Array, entry: number): number {
  return readU64(words, valueAt(words, entry));
}

export function setChildAt(words: Uint32Array, entry: number, child: number): void {
  writeU64(words, valueAt(words, entry), child);
}

/** The last entry whose key is not above `key`, -1 if there is none. */
export function lowerBound(words: Uint32Array, key: number): number {
  let below = -1;
  let above = words[countWord];
  while (above - below > 1) {
    const middle = (below + above) >>> 1;
    if (readU64(words, keysWord + 2 * middle) <= key) below = middle;
    else above = middle;
  }
  return below;
}

/** The first entry whose key is not below `key`; the number of entries if there is none. */
export function firstNotBelow(words: Uint32Array, key: number): number {
  return lowerBound(words, key - 1) + 1;
}

/** Moves the entries from `at` on up by one, to make room for one whose key and value the caller sets. */
export function openEntry(words: Uint32Array, at: number): void {
  const count = words[countWord];
  const key = keysWord + 2 * at;
  words.copyWithin(key + 2, key, keysWord + 2 * count);
  const value = valueAt(words, at);
  words.copyWithin(value + valueWordsOf(words), value, valueAt(words, count));
  words[countWord] = count + 1;
}

/** Takes the entries from `begin` up to `end` out. */
export function removeEntries(words: Uint32Array, begin: number, end: number): void {
  const count = words[countWord];
  words.copyWithin(keysWord + 2 * begin, keysWord + 2 * end, keysWord + 2 * count);
  words.copyWithin(valueAt(words, begin), valueAt(words, end), valueAt(words, count));
  words[countWord] = count - (end - begin);
}

/** Copies entries of one node over those of another of the same kind; the counts are left to the caller. */
export function copyEntries(from: Uint32Array, begin: number, end: number, to: Uint32Array, at: number): void {
  to.set(from.subarray(keysWord + 2 * begin, keysWord + 2 * end), keysWord + 2 * at);
  to.set(from.subarray(valueAt(from, begin), valueAt(from, end)), valueAt(to, at));
}

export function setEntryCount(words: Uint32Array, count: number): void {
  words[countWord] = count;
}

/** Makes a node an exact copy of another, but for its place. */
export function copyNode(from: Uint32Array, to: Uint32Array): void {
  to.set(from);
}

/** Moves entries between two neighbours so that the left one has `leftCount`; the right one has the rest. */
export function distribute(left: Uint32Array, right: Uint32Array, leftCount: number): void {
  const have = left[countWord];
  const rightHas = right[countWord];
  if (leftCount < have) {
    const moved = have - leftCount;
    const key = keysWord;
    right.copyWithin(key + 2 * moved, key, key + 2 * rightHas);
    right.copyWithin(valueAt(right, moved), valueAt(right, 0), valueAt(right, rightHas));
    copyEntries(left, leftCount, have, right, 0);
    right[countWord] = rightHas + moved;
  } else if (leftCount > have) {
    const moved = leftCount - have;
    copyEntries(right, 0, moved, left, have);
    removeEntries(right, 0, moved);
  }
  left[countWord] = leftCount;
}
