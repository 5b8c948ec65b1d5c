import { BlockMoves } from "../../../metadata-tools/shrink/block-moves.ts";
import { moveData } from "../../../metadata-tools/shrink/move-data.ts";
import { MovedSink } from "../../../metadata-tools/shrink/moved-sink.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { claimToWrite } from "../open-to-write.ts";
import { requireOther } from "../require-device.ts";
import { printError } from "../output.ts";
import { metadataSource, xmlSource } from "../shrink-source.ts";
import { metadataTarget, xmlTarget } from "../shrink-target.ts";
import type { ThinTool } from "../thin-tool.ts";

const sectorBytes = 512;

/** `thin_shrink` */
export const tool: ThinTool = {
  name: "thin_shrink",
  summary: "make a thin pool's data smaller",
  operands: "-i {XML file} -o {XML file} --data {device|file} --nr-blocks {number}",
  description: [
    "Copies the data blocks that lie above a new, smaller end of a pool's data into free ones below, and writes metadata that names the new places. Put that where the pool's metadata is, with thin_restore, and then make the data device smaller.",
    "Only blocks to which nothing in the metadata refers are written over, and the metadata that is read is left as it is: until the new metadata takes its place nothing has changed, and what was interrupted can be begun again, or left. From then on the old metadata is of no use.",
    "The pool must not run from the dump of its metadata until the new metadata is in place.",
  ],
  options: [
    {
      long: "input",
      short: "i",
      argument: "required",
      value: "FILE",
      help: "The pool's metadata, as thin_dump has it.",
    },
    {
      long: "output",
      short: "o",
      argument: "required",
      value: "FILE",
      help: "Where the new metadata is written, for thin_restore.",
    },
    {
      long: "data",
      argument: "required",
      value: "{device|file}",
      help: "The pool's data, in which blocks are copied.",
    },
    { long: "nr-blocks", argument: "required", value: "NUMBER", help: "How many data blocks the pool is to have." },
    { long: "no-copy", help: "Write the metadata only, to try how far it can be shrunk; the data is not touched." },
    {
      long: "binary",
      help: "Input and output are metadata devices, or files of that form, which must differ; the output as large as thin_restore needs it.",
    },
  ],
  examples: [
    [
      "thin_shrink -i pool.xml -o small.xml --data /dev/vg/pool_tdata --nr-blocks 15360",
      "to 960 MiB, with blocks of 64 KiB",
    ],
    [
      "thin_shrink --binary -i /dev/vg/pool_tmeta -o /dev/vg/pool_meta1 --data /dev/vg/pool_tdata --nr-blocks 15360",
      "without XML",
    ],
  ],
  run(line) {
    const { input, output } = line.inputAndOutput;
    const dataPath = line.value("data");
    if (dataPath === undefined) throw new UsageError("--data not specified.");
    const sizeBlocks = line.number("nr-blocks");
    if (sizeBlocks === undefined) throw new UsageError("--nr-blocks not specified.");
    requireOther(input, output);
    const source = line.has("binary") ? metadataSource(input) : xmlSource(input);
    try {
      const { mapped, kept } = source;
      const { dataBlocks, dataBlockSize } = mapped.description;
      if (sizeBlocks === 0 || sizeBlocks >= dataBlocks) {
        throw new Error(
          `Cannot shrink the pool to ${sizeBlocks} data blocks: it has ${dataBlocks}. --nr-blocks takes a number between.`,
        );
      }
      const moves = new BlockMoves(
        sizeBlocks,
        () => mapped.extents(),
        () => kept.extents(),
      );
      const target = line.has("binary") ? metadataTarget(output) : xmlTarget(output);
      try {
        if (!line.has("no-copy")) {
          claimToWrite(dataPath);
          moveData(dataPath, moves, dataBlockSize * sectorBytes);
        }
        source.tell(new MovedSink(target.sink, moves));
        target.finish();
      } finally {
        target.close();
      }
      printError(`${moves.movedBlocks} data blocks ${line.has("no-copy") ? "to be moved" : "moved"}\n`);
    } finally {
      source.close();
    }
    return exitStatus.success;
  },
};
