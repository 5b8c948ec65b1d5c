import { closeSync } from "node:fs";
import { packMetadata } from "../../../metadata-tools/pack/pack.ts";
import { exitStatus } from "../../exit-status.ts";
import { openToRead } from "../open-to-read.ts";
import { openOutputFile } from "../output-file.ts";
import { writeAll } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";

/** `thin_metadata_pack` */
export const tool: ThinTool = {
  name: "thin_metadata_pack",
  summary: "pack a thin pool's metadata, to send it to someone",
  operands: "-i {device|file} -o {file}",
  description: [
    "Packs all blocks of a device that hold a thin pool's metadata, sound or not as a whole, into a file that is a small part of its size. thin_metadata_unpack makes metadata of it again. Blocks that no metadata is in, whose checksums do not match, are left out.",
    "The pool must not run meanwhile.",
  ],
  options: [
    { long: "input", short: "i", argument: "required", value: "{device|file}", help: "The metadata." },
    { long: "output", short: "o", argument: "required", value: "FILE", help: "The packed file." },
    { long: "force", short: "f", help: "Write over a file that is there." },
  ],
  examples: [["thin_metadata_pack -i /dev/vg/pool_tmeta -o pool.pack", "for a report of a problem"]],
  run(line) {
    const { input, output } = line.inputAndOutput;
    const file = openToRead(input, "stopped");
    const fd = openOutputFile(output, line.has("force") ? "overwrite" : "refuse");
    try {
      packMetadata(file, (bytes) => writeAll(fd, bytes));
    } finally {
      closeSync(fd);
      file.close();
    }
    return exitStatus.success;
  },
};
