import { realpathSync } from "node:fs";
import { PoolBuilder } from "../../../metadata-tools/pool-builder.ts";
import { repair } from "../../../metadata-tools/repair/repair.ts";
import { exitStatus } from "../../exit-status.ts";
import { openToRead } from "../open-to-read.ts";
import { openToWrite } from "../open-to-write.ts";
import { describedPool, poolOptions } from "../pool-options.ts";
import { reportOption, tellRepair } from "../tell-repair.ts";
import type { ThinTool } from "../thin-tool.ts";

/** `thin_repair` */
export const tool: ThinTool = {
  name: "thin_repair",
  summary: "save what can be read of a thin pool's damaged metadata",
  operands: "-i {device|file} -o {device|file}",
  description: [
    "Reads damaged metadata, and writes all that can be read of it to another device or file as sound metadata, its reference counts counted anew. What was damaged is not changed. Where the superblock is lost, or the trees that it names, the best trees are looked for in all of the device; nodes to which nothing leads any more are put back where it can be proven that they belong.",
    "What is lost is told on standard error. A file that is written to must be there before, and be large enough. The pool must not run meanwhile.",
  ],
  options: [
    { long: "input", short: "i", argument: "required", value: "{device|file}", help: "The damaged metadata." },
    {
      long: "output",
      short: "o",
      argument: "required",
      value: "{device|file}",
      help: "Where sound metadata is written.",
    },
    ...poolOptions,
    { long: "json", help: "Write what --report writes to standard output." },
    reportOption,
    { long: "quiet", short: "q", help: "Do not tell what is lost." },
  ],
  examples: [
    ["thin_repair -i /dev/vg/pool_meta0 -o /dev/vg/pool_tmeta", "from a copy of the damaged metadata"],
    [
      "thin_repair -i bad -o good --transaction-id 5 --data-block-size 128 --nr-data-blocks 163840",
      "without a superblock",
    ],
  ],
  run(line) {
    const { input, output } = line.inputAndOutput;
    const file = openToRead(input, "stopped");
    try {
      const target = openToWrite(output);
      try {
        if (realpathSync(input) === realpathSync(output)) {
          throw new Error(`Cannot repair ${input} in place: the output must be another device or file`);
        }
        tellRepair(repair(file, new PoolBuilder(target), { description: describedPool(line) }), line);
      } finally {
        target.close();
      }
    } finally {
      file.close();
    }
    return exitStatus.success;
  },
};
