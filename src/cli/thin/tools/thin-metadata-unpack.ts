import { closeSync, existsSync, readSync, truncateSync } from "node:fs";
import { PackError } from "../../../metadata-tools/pack/block-unpacker.ts";
import { unpackMetadata } from "../../../metadata-tools/pack/pack.ts";
import { isBlockDevice } from "../../../linux/block-device.ts";
import type { BlockFile } from "../../../persistent-data/block-file.ts";
import { blockBytes } from "../../../persistent-data/block.ts";
import { exitStatus } from "../../exit-status.ts";
import { openInputFile } from "../input-file.ts";
import { openToWrite } from "../open-to-write.ts";
import { openOutputFile } from "../output-file.ts";
import type { ThinTool } from "../thin-tool.ts";

/** `thin_metadata_unpack` */
export const tool: ThinTool = {
  name: "thin_metadata_unpack",
  summary: "unpack a thin pool's metadata",
  operands: "-i {file} -o {device|file}",
  description: [
    "Makes metadata again of what thin_metadata_pack has packed, of this or of versions 1.x of the tool. A file is made, or all that is in it is lost; a device must be as large as the one that was packed, and must not be in use.",
  ],
  options: [
    { long: "input", short: "i", argument: "required", value: "FILE", help: "The packed file." },
    {
      long: "output",
      short: "o",
      argument: "required",
      value: "{device|file}",
      help: "Where the metadata is written.",
    },
    { long: "force", short: "f", help: "Write over a file that is there." },
  ],
  examples: [["thin_metadata_unpack -i pool.pack -o metadata && thin_check metadata", "looks at what was sent"]],
  run(line) {
    const { input, output } = line.inputAndOutput;
    const isDevice = isBlockDevice(output);
    if (existsSync(output) && !line.has("force")) {
      throw new Error(`Cannot write to ${output}: it is there already. Give --force to write over it.`);
    }
    const fd = openInputFile(input);
    try {
      unpack(fd, output, isDevice);
    } catch (error) {
      if (!(error instanceof PackError)) throw error;
      throw new Error(`Cannot unpack ${input}: ${error.message}`, { cause: error });
    } finally {
      closeSync(fd);
    }
    return exitStatus.success;
  },
};

function unpack(fd: number, output: string, isDevice: boolean): void {
  let file: BlockFile | undefined;
  try {
    unpackMetadata((bytes) => readUpTo(fd, bytes), {
      // Told only once the input is known to be packed metadata: nothing else destroys anything.
      resize(blocks) {
        if (!isDevice) closeSync(openOutputFile(output, "append"));
        file = openToWrite(output);
        if (!isDevice) {
          truncateSync(output);
          truncateSync(output, blocks * blockBytes);
        } else if (file.sizeBlocks() < blocks) {
          throw new Error(`Cannot write to ${output}: it is smaller than the ${blocks} blocks that were packed`);
        }
      },
      write: (block, bytes) => file!.write(block, [bytes]),
    });
    file?.flush();
  } finally {
    file?.close();
  }
}

function readUpTo(fd: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let done = 0;
  while (done < bytes) {
    const got = readSync(fd, buffer, done, bytes - done, null);
    if (got === 0) break;
    done += got;
  }
  return buffer.subarray(0, done);
}
