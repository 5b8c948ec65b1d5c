import { closeSync } from "node:fs";
import { changedCopy, type OnCopyRun, wholeCopy } from "../../../metadata-tools/copy-runs.ts";
import { PoolReader, readState } from "../../../metadata-tools/pool-reader.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { DeviceCopy } from "../device-copy.ts";
import { openToRead } from "../open-to-read.ts";
import { claimToWrite } from "../open-to-write.ts";
import { openOutputFile } from "../output-file.ts";
import { printError } from "../output.ts";
import { tableSourceOf } from "../table-source.ts";
import { findThinSource, type TableSource, type ThinSource } from "../thin-source.ts";
import type { ThinTool } from "../thin-tool.ts";
import type { ToolLine } from "../tool-line.ts";

const sectorBytes = 512;
const usualBufferMebibytes = 4;
const largestBufferMebibytes = 1024;

/** `thin_migrate` */
export const tool: ThinTool = {
  name: "thin_migrate",
  summary: "copy a thin device of a pool that runs",
  operands: "--source-dev {device} {--dest-dev {device}|--dest-file {file}}",
  description: [
    "Copies those blocks of an active thin device that it maps to another device of the same size, or to a file. Which they are is read from the pool's metadata snapshot, which must be there: reserve one first (reserve_metadata_snap), and release it afterwards. The device must not be written to meanwhile, nor have been since the metadata snapshot was made: copy a snapshot of it, or one that is read-only.",
    "The device may be the kernel's, or one in user space. To copy a graph's containers from host to host, see mica send.",
  ],
  options: [
    { long: "source-dev", argument: "required", value: "DEVICE", help: "The thin device." },
    { long: "dest-dev", argument: "required", value: "DEVICE", help: "The device to copy to, of the same size." },
    {
      long: "dest-file",
      argument: "required",
      value: "FILE",
      help: "The file to copy to. It is made, or all that is in it is lost; with --delta-id it must be there.",
    },
    {
      long: "delta-id",
      argument: "required",
      value: "ID",
      help: "Copy only what differs from this device of the pool, of which the destination is a copy.",
    },
    { long: "zero-dest", help: "Write zeroes to the destination where the device maps nothing." },
    {
      long: "buffer-size-meg",
      argument: "required",
      value: "MEBIBYTES",
      help: `How much is read at once. Default: ${usualBufferMebibytes}.`,
    },
    { long: "quiet", short: "q", help: "Do not tell how much was copied." },
  ],
  examples: [
    ["thin_migrate --source-dev /dev/mapper/snap --dest-file snap.img", "a copy, sparse as the device is"],
    [
      "thin_migrate --source-dev /dev/mapper/snap2 --delta-id 7 --dest-file snap.img",
      "brings the copy of device 7 up to a later snapshot",
    ],
  ],
  async run(line) {
    const path = line.value("source-dev");
    if (path === undefined) throw new UsageError("--source-dev not specified.");
    return migrate(await tableSourceOf(path), path, line);
  },
};

/** Copies a device of a device mapper as the line says. Returns the exit status. */
export async function migrate(devices: TableSource, path: string, line: ToolLine): Promise<number> {
  const target = targetOf(line);
  const buffer = line.number("buffer-size-meg") ?? usualBufferMebibytes;
  if (buffer < 1 || buffer > largestBufferMebibytes) {
    throw new UsageError(`--buffer-size-meg takes 1 to ${largestBufferMebibytes}`);
  }
  const source = await findThinSource(devices, path);
  const metadata = openToRead(source.metadataPath, "live");
  try {
    const reader = new PoolReader(metadata, readState(metadata, "snapshot"));
    const device = rootOf(reader, source.deviceId);
    const baseId = line.number("delta-id");
    const base = baseId === undefined ? undefined : rootOf(reader, baseId);
    if (target.isFile && base === undefined) closeSync(openOutputFile(target.path, "append"));
    claimToWrite(target.path);
    const copy = new DeviceCopy(path, target.path, buffer << 20);
    try {
      if (target.isFile && base === undefined) copy.resizeFile(source.sectors * sectorBytes);
      requireSize(copy, source, target);
      const writes = runWriter(copy, source);
      const sizeBlocks = Math.ceil(source.sectors / source.blockSectors);
      if (base !== undefined) changedCopy(reader, { base, device }, sizeBlocks, writes);
      else wholeCopy(reader, device, sizeBlocks, line.has("zero-dest") && !target.isFile ? writes : copiesOf(writes));
      copy.flush();
      if (!line.has("quiet")) printError(`${copy.copiedBytes} bytes copied\n`);
    } finally {
      copy.close();
    }
  } finally {
    metadata.close();
  }
  return exitStatus.success;
}

interface Target {
  readonly path: string;
  readonly isFile: boolean;
}

function targetOf(line: ToolLine): Target {
  const [device, file] = [line.value("dest-dev"), line.value("dest-file")];
  if (device !== undefined && file !== undefined) throw new UsageError("cannot use --dest-dev with --dest-file");
  if (file !== undefined) return { path: file, isFile: true };
  if (device !== undefined) return { path: device, isFile: false };
  throw new UsageError("--dest-dev or --dest-file not specified.");
}

function rootOf(reader: PoolReader, id: number): number {
  const root = reader.mappingRoots().get(id);
  if (root !== undefined) return root;
  throw new Error(
    `Cannot copy device ${id}: the metadata snapshot does not have it. Release that and reserve another (release_metadata_snap, reserve_metadata_snap).`,
  );
}

function requireSize(copy: DeviceCopy, { path, sectors }: ThinSource, target: Target): void {
  const bytes = sectors * sectorBytes;
  if (copy.targetBytes === bytes) return;
  throw new Error(`Cannot copy ${path} to ${target.path}: that has ${copy.targetBytes} bytes, and the device ${bytes}`);
}

function runWriter(copy: DeviceCopy, { sectors, blockSectors }: ThinSource): OnCopyRun {
  return (kind, firstBlock, blocks) => {
    const offset = firstBlock * blockSectors * sectorBytes;
    const bytes = Math.min((firstBlock + blocks) * blockSectors, sectors) * sectorBytes - offset;
    copy[kind](offset, bytes);
  };
}

/** Leaves what the device does not map as it is. */
function copiesOf(writes: OnCopyRun): OnCopyRun {
  return (kind, firstBlock, blocks) => {
    if (kind === "copy") writes(kind, firstBlock, blocks);
  };
}
