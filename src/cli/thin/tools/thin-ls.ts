import { exclusiveBlocksBelow } from "../../../metadata-tools/exclusive-blocks.ts";
import { PoolReader, readState } from "../../../metadata-tools/pool-reader.ts";
import { blockMemory } from "../../../persistent-data/block.ts";
import type { DeviceDetails } from "../../../thin/device-record.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { printText } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";

const sectorBytes = 512;

/** A device, and what it has alone; 0 where no field asks for that. */
interface Row extends DeviceDetails {
  readonly exclusiveBlocks: number;
  readonly blockSectors: number;
}

/** How a number of blocks can be written. */
const units = {
  _BLOCKS: (blocks: number) => String(blocks),
  _SECTORS: (blocks: number, { blockSectors }: Row) => String(blocks * blockSectors),
  _BYTES: (blocks: number, { blockSectors }: Row) => String(blocks * blockSectors * sectorBytes),
  "": (blocks: number, { blockSectors }: Row) => withUnit(blocks * blockSectors * sectorBytes),
};

const amounts: Record<string, (row: Row) => number> = {
  MAPPED: (row) => row.mappedBlocks,
  EXCLUSIVE: (row) => row.exclusiveBlocks,
  SHARED: (row) => row.mappedBlocks - row.exclusiveBlocks,
};

const fields = new Map<string, (row: Row) => string>([
  ["DEV", ({ id }) => String(id)],
  ...Object.entries(units).flatMap(([suffix, write]) =>
    Object.entries(amounts).map(([name, amount]): [string, (row: Row) => string] => [
      `${name}${suffix}`,
      (row) => write(amount(row), row),
    ]),
  ),
  ["TRANSACTION", ({ transactionId }) => String(transactionId)],
  ["CREATE_TIME", ({ creationTime }) => String(creationTime)],
  ["SNAP_TIME", ({ snapshottedTime }) => String(snapshottedTime)],
]);

const usualFields = "DEV,MAPPED,CREATE_TIME,SNAP_TIME";

/** `thin_ls` */
export const tool: ThinTool = {
  name: "thin_ls",
  summary: "list the thin devices in a pool",
  operands: "{device|file}",
  description: [
    "Lists the thin devices in a pool's metadata, a line each. What a device has exclusively is found by reading all mappings, so fields that tell that, or what is shared, take longer.",
    "The pool must not run meanwhile, unless its metadata snapshot is what is listed.",
  ],
  options: [
    { long: "metadata-snap", short: "m", argument: "optional", value: "BLOCK", help: "List the metadata snapshot." },
    { long: "no-headers", help: "Leave the first line out." },
    {
      long: "format",
      short: "o",
      argument: "required",
      value: "FIELDS",
      help: `Which fields, separated by commas. Default: ${usualFields}.`,
    },
  ],
  notes: [`Fields: ${[...fields.keys()].join(", ")}. Without a suffix an amount has a fitting unit.`],
  examples: [
    ["thin_ls --no-headers -o DEV,EXCLUSIVE_BYTES metadata", "what each device would free if it were deleted"],
    ["thin_ls -m /dev/vg/pool_tmeta", "the devices of a pool that runs"],
  ],
  run(line) {
    const names = (line.value("format") ?? usualFields).split(",");
    const writers = names.map((name) => {
      const writer = fields.get(name);
      if (writer === undefined) throw new UsageError(`unknown field '${name}'`);
      return writer;
    });
    const state = line.has("metadata-snap") ? (line.number("metadata-snap") ?? "snapshot") : "committed";
    const file = openToRead(line.input, state === "committed" ? "stopped" : "live");
    try {
      const reader = new PoolReader(file, readState(file, state));
      const exclusive = names.some((name) => /^(EXCLUSIVE|SHARED)/.test(name))
        ? exclusiveBlocks(reader)
        : new Map<number, number>();
      const rows = [...reader.details().values()].map((details) => ({
        ...details,
        exclusiveBlocks: exclusive.get(details.id) ?? 0,
        blockSectors: reader.superblock.dataBlockSizeSectors,
      }));
      const cells = rows.map((row) => writers.map((write) => write(row)));
      printText(layOut(line.has("no-headers") ? cells : [names, ...cells]));
    } finally {
      file.close();
    }
    return exitStatus.success;
  },
};

function exclusiveBlocks(reader: PoolReader): Map<number, number> {
  const memory = blockMemory();
  return exclusiveBlocksBelow(reader.mappingRoots(), (node) => reader.readNode(node, memory).words);
}

/** To the right, each column as wide as its widest cell, and a space after it: as the original has it. */
function layOut(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) => `${row.map((cell, column) => `${cell.padStart(widths[column])} `).join("")}\n`).join("");
}

/** Bytes in the unit in which they are at most a million, or 8192 times 1024 of the next lower; rounded down until the last step. */
function withUnit(bytes: number): string {
  let unit = 0;
  for (; bytes > 1024 * 1024; unit++) bytes = Math.floor(bytes / 1024);
  if (bytes > 8 * 1024) {
    bytes = Math.round(bytes / 1024);
    unit++;
  }
  return `${bytes}${["", "KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}
