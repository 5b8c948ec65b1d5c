import type { DocumentedCommand } from "../../documented-command.ts";
import type { AdoptOptions } from "../../../adopt/opened-graph.ts";
import { parseSize } from "../../../graph/options/size.ts";
import { interruption } from "../../interruption.ts";
import { UsageError } from "../../usage-error.ts";

/** Options that say where a Docker graph's pool is. */
export interface PoolOptions {
  data?: string;
  metadata?: string;
  blockSize?: string;
}

/** Gives a command the options that say where a Docker graph's pool is. */
export function addPoolOptions(command: DocumentedCommand): DocumentedCommand {
  return command
    .option("--data <path>", "the pool's data, where it is not devicemapper/devicemapper/data")
    .option("--metadata <path>", "the pool's metadata, where it is not devicemapper/devicemapper/metadata")
    .option(
      "--block-size <size>",
      "block size of a pool whose superblock is lost (default: 64K on files, 512K on devices)",
    );
}

/** The options for the library. */
export function adoptOptions({ data, metadata, blockSize }: PoolOptions): AdoptOptions {
  return {
    dataPath: data,
    metadataPath: metadata,
    ...(blockSize !== undefined && { blockSizeBytes: blockBytes(blockSize) }),
    signal: interruption.signal,
  };
}

function blockBytes(text: string): number {
  let bytes: number;
  try {
    bytes = parseSize(text, "block size");
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (bytes >= 65536 && bytes <= 2 ** 30 && bytes % 65536 === 0) return bytes;
  throw new UsageError(`Cannot use block size '${text}': pools have blocks of 64K to 1G, in steps of 64K`);
}
