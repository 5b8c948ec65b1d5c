import type { PoolDescription } from "../../metadata-tools/dump.ts";
import type { ToolOption } from "./thin-tool.ts";
import type { ToolLine } from "./tool-line.ts";

/** Options by which a dump's description of the pool is overridden. */
export const poolOptions: readonly ToolOption[] = [
  {
    long: "transaction-id",
    argument: "required",
    value: "NUMBER",
    help: "The transaction id, in place of what is found.",
  },
  {
    long: "data-block-size",
    argument: "required",
    value: "SECTORS",
    help: "The size of a data block, in place of what is found.",
  },
  {
    long: "nr-data-blocks",
    argument: "required",
    value: "NUMBER",
    help: "The number of data blocks, in place of what is found.",
  },
];

/** What a command line says of the pool. */
export function describedPool(line: ToolLine): Partial<PoolDescription> {
  const transactionId = line.number("transaction-id");
  const dataBlockSize = line.number("data-block-size");
  const dataBlocks = line.number("nr-data-blocks");
  return {
    ...(transactionId !== undefined && { transactionId }),
    ...(dataBlockSize !== undefined && { dataBlockSize }),
    ...(dataBlocks !== undefined && { dataBlocks }),
  };
}
