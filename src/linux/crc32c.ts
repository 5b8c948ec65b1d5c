import { createRequire } from "node:module";
import type * as crc32Module from "@node-rs/crc32";

// Required, as koffi is: to import a CommonJS module takes 30 ms and 10 MB more, for what finds out its exports.
const module = createRequire(import.meta.url)("@node-rs/crc32") as typeof crc32Module;

/** CRC-32C (Castagnoli), by the processor's own instruction; with a checksum to go on from. */
export const crc32c = module.crc32c;
