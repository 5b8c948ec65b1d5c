import { PoolReader, readState } from "../../../metadata-tools/pool-reader.ts";
import { type DataRegion, joinRegions, reverseMap } from "../../../metadata-tools/reverse-map.ts";
import { literal } from "../../../metadata-tools/text-writer.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { standardOutputWriter } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";

const text = ["data ", "..", " -> thin(", ") ", "..", "\n"].map(literal);

/** `thin_rmap` */
export const tool: ThinTool = {
  name: "thin_rmap",
  summary: "tell which thin devices have some blocks of a pool's data",
  operands: "{device|file}",
  description: [
    "Tells which thin devices map the data blocks of one or several regions, and at which of their own blocks: to find what an error of the disk has hit, say. Without a region nothing is told.",
    "The pool must not run meanwhile.",
  ],
  options: [
    {
      long: "region",
      argument: "required",
      value: "BEGIN..END",
      help: "Data blocks from BEGIN up to, not including, END; may be given several times.",
    },
  ],
  examples: [["thin_rmap --region 5..45 metadata", "who has the data blocks 5 to 44"]],
  run(line) {
    const regions = joinRegions(line.values("region").map(parseRegion));
    const file = openToRead(line.input, "stopped");
    const out = standardOutputWriter();
    try {
      reverseMap(
        new PoolReader(file, readState(file, "committed")),
        regions,
        (dataBlock, length, device, virtualBlock) => {
          out
            .text(text[0])
            .number(dataBlock)
            .text(text[1])
            .number(dataBlock + length);
          out.text(text[2]).number(device).text(text[3]).number(virtualBlock);
          out
            .text(text[4])
            .number(virtualBlock + length)
            .text(text[5]);
        },
      );
      out.flush();
    } finally {
      file.close();
    }
    return exitStatus.success;
  },
};

function parseRegion(word: string): DataRegion {
  const [, begin, end] = (/^(\d{1,15})\.\.(\d{1,15})$/.exec(word) ?? []).map(Number);
  if (begin < end) return { begin, end };
  throw new UsageError(`badly formed region '${word}': it is BEGIN..END, and END is larger`);
}
