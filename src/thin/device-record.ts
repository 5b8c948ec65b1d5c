import { readU64, writeU64 } from "../persistent-data/u64.ts";

/** 32-bit words of a value in the details tree (`struct disk_device_details`). */
export const deviceDetailsWords = 6;

/** A thin device as the details tree records it. */
export interface DeviceDetails {
  readonly id: number;
  readonly mappedBlocks: number;
  readonly transactionId: number;
  readonly creationTime: number;
  readonly snapshottedTime: number;
}

/** A thin device in memory: its details, and the root of its mapping tree. */
export interface DeviceRecord extends DeviceDetails {
  root: number;
  mappedBlocks: number;
  snapshottedTime: number;
}

/** Reads the details at the 32-bit word `at`. */
export function readDetails(words: Uint32Array, at: number, id: number): DeviceDetails {
  return {
    id,
    mappedBlocks: readU64(words, at),
    transactionId: readU64(words, at + 2),
    creationTime: words[at + 4],
    snapshottedTime: words[at + 5],
  };
}

/** Writes details at the 32-bit word `at`. */
export function writeDetails(words: Uint32Array, at: number, details: DeviceDetails): void {
  writeU64(words, at, details.mappedBlocks);
  writeU64(words, at + 2, details.transactionId);
  words[at + 4] = details.creationTime;
  words[at + 5] = details.snapshottedTime;
}
