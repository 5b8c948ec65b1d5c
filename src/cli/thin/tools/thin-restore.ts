import { PoolBuilder } from "../../../metadata-tools/pool-builder.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToWrite } from "../open-to-write.ts";
import { describedPool, poolOptions } from "../pool-options.ts";
import { readPoolXml } from "../pool-xml-file.ts";
import type { ThinTool } from "../thin-tool.ts";

/** `thin_restore` */
export const tool: ThinTool = {
  name: "thin_restore",
  summary: "make a thin pool's metadata from a dump",
  operands: "-i {XML file} -o {device|file}",
  description: [
    "Makes the metadata of a thin pool from the XML that thin_dump wrote, by this or by other versions of the tool. All that was on the device before is lost. Reference counts are counted anew, and the number of blocks that each device maps.",
    "A file must be there before, and be large enough. A device that is in use, by a mount or a pool, is refused. Until all is written there is no superblock, so that what an interruption leaves is no pool.",
  ],
  options: [
    { long: "input", short: "i", argument: "required", value: "FILE", help: "The XML." },
    {
      long: "output",
      short: "o",
      argument: "required",
      value: "{device|file}",
      help: "Where the metadata is written.",
    },
    ...poolOptions,
    { long: "quiet", short: "q", help: "Taken, as others take it: nothing is said anyway." },
  ],
  examples: [["thin_restore -i pool.xml -o /dev/vg/pool_tmeta", "metadata from a dump"]],
  run(line) {
    if (line.operands.length > 0) throw new UsageError(`unexpected '${line.operands[0]}'`);
    const { input, output } = line.inputAndOutput;
    const description = describedPool(line);
    const file = openToWrite(output);
    try {
      readPoolXml(input, new PoolBuilder(file), description);
    } finally {
      file.close();
    }
    return exitStatus.success;
  },
};
