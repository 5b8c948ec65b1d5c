import { delta } from "../../../metadata-tools/delta.ts";
import { BriefDeltaWriter, VerboseDeltaWriter } from "../../../metadata-tools/delta-xml-writer.ts";
import { PoolReader, readState } from "../../../metadata-tools/pool-reader.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { standardOutputWriter } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";
import type { ToolLine } from "../tool-line.ts";

/** `thin_delta` */
export const tool: ThinTool = {
  name: "thin_delta",
  summary: "tell where two thin devices differ",
  operands: "{device|file}",
  description: [
    "Tells as XML, run by run, which blocks only the left of two devices maps (left_only), which only the right (right_only), which both map to the same data (same) and which to different data (different). A snapshot differs from its origin just where either was written to.",
    "The pool must not run meanwhile, unless its metadata snapshot is what is read.",
  ],
  options: [
    { long: "snap1", argument: "required", value: "ID", help: "The left device." },
    { long: "thin1", argument: "required", value: "ID", help: "The same." },
    { long: "root1", argument: "required", value: "BLOCK", help: "The left device, by the root of its mapping tree." },
    { long: "snap2", argument: "required", value: "ID", help: "The right device." },
    { long: "thin2", argument: "required", value: "ID", help: "The same." },
    { long: "root2", argument: "required", value: "BLOCK", help: "The right device, by the root of its mapping tree." },
    { long: "metadata-snap", short: "m", argument: "optional", value: "BLOCK", help: "Read the metadata snapshot." },
    { long: "verbose", help: "Tell the data blocks too." },
  ],
  examples: [
    ["thin_delta -m --snap1 1 --snap2 7 /dev/vg/pool_tmeta", "what to copy to bring a copy of device 1 up to 7"],
  ],
  run(line) {
    const path = line.input;
    const state = line.has("metadata-snap") ? (line.number("metadata-snap") ?? "snapshot") : "committed";
    const sides = ([1, 2] as const).map((side) => sideOf(line, side));
    const file = openToRead(path, state === "committed" ? "stopped" : "live");
    const out = standardOutputWriter();
    try {
      const reader = new PoolReader(file, readState(file, state));
      const { superblock } = reader;
      const [left, right] = sides.map((side) => rootOf(reader, side));
      const dataBlocks = superblock.dataSpaceMap.blocks;
      const description = { superblock, dataBlocks, left: sides[0].number, right: sides[1].number };
      const writer = line.has("verbose")
        ? new VerboseDeltaWriter(out, description)
        : new BriefDeltaWriter(out, description);
      delta(reader, left, right, (kind, virtualBlock, leftData, rightData, length) =>
        writer.add(kind, virtualBlock, leftData, rightData, length),
      );
      writer.end();
      out.flush();
    } finally {
      file.close();
    }
    return exitStatus.success;
  },
};

/** A device as the line names it: by its id, or by a metadata block. */
interface Side {
  readonly side: 1 | 2;
  readonly number: number;
  readonly isRoot: boolean;
}

function sideOf(line: ToolLine, side: 1 | 2): Side {
  const id = line.number(`snap${side}`) ?? line.number(`thin${side}`);
  const root = line.number(`root${side}`);
  const number = id ?? root;
  if (number === undefined) throw new UsageError(`--snap${side} not specified.`);
  if (id !== undefined && root !== undefined) throw new UsageError(`cannot use --root${side} with --snap${side}`);
  return { side, number, isRoot: root !== undefined };
}

function rootOf(reader: PoolReader, { side, number, isRoot }: Side): number {
  if (isRoot) return number;
  const root = reader.mappingRoots().get(number);
  if (root === undefined) throw new UsageError(`Unable to find mapping tree for snap${side} (${number})`);
  return root;
}
