import { closeSync } from "node:fs";
import { dump, type DumpOptions, type PoolDescription, type PoolSink } from "../../../metadata-tools/dump.ts";
import { PoolReader, readState } from "../../../metadata-tools/pool-reader.ts";
import { PoolTextWriter } from "../../../metadata-tools/pool-text-writer.ts";
import { PoolXmlWriter } from "../../../metadata-tools/pool-xml-writer.ts";
import { repair } from "../../../metadata-tools/repair/repair.ts";
import { TextWriter } from "../../../metadata-tools/text-writer.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { openOutputFile } from "../output-file.ts";
import { writeAll } from "../output.ts";
import { describedPool, poolOptions } from "../pool-options.ts";
import { reportOption, tellRepair } from "../tell-repair.ts";
import type { ThinTool } from "../thin-tool.ts";
import type { ToolLine } from "../tool-line.ts";

const standardOutput = 1;

/** `thin_dump` */
export const tool: ThinTool = {
  name: "thin_dump",
  summary: "write a thin pool's metadata as XML, or as text",
  operands: "{device|file}",
  description: [
    "Writes all that a thin pool's metadata says as XML, which thin_restore makes metadata from again, or as text for a reader.",
    "The pool must not run meanwhile, unless its metadata snapshot is what is dumped.",
  ],
  options: [
    {
      long: "format",
      short: "f",
      argument: "required",
      value: "{xml|human_readable}",
      help: "What to write. Default: xml.",
    },
    {
      long: "metadata-snap",
      short: "m",
      argument: "optional",
      value: "BLOCK",
      help: "Dump the metadata snapshot; with a block, only if it is there.",
    },
    { long: "output", short: "o", argument: "required", value: "FILE", help: "Write there, not to standard output." },
    { long: "dev-id", argument: "required", value: "ID", help: "Dump this device only; may be given several times." },
    { long: "skip-mappings", help: "Leave the mappings out." },
    { long: "repair", short: "r", help: "Dump what can be read of damaged metadata; see thin_repair." },
    { ...reportOption, help: `With --repair: ${reportOption.help}` },
    { long: "quiet", short: "q", help: "With --repair, do not tell what is lost." },
    ...poolOptions,
  ],
  examples: [
    ["thin_dump /dev/vg/pool_tmeta > pool.xml", "all of it, as XML"],
    ["thin_dump -f human_readable --dev-id 3 metadata", "what device 3 maps"],
    ["thin_dump -m /dev/vg/pool_tmeta", "the metadata snapshot of a pool that runs"],
  ],
  run(line) {
    const path = line.input;
    const output = line.value("output");
    const sinkOf = formatOf(line);
    const options = optionsOf(line);
    if (line.has("repair") && line.has("metadata-snap"))
      throw new UsageError("cannot use --repair with --metadata-snap");
    const state = line.has("metadata-snap") ? (line.number("metadata-snap") ?? "snapshot") : "committed";
    const file = openToRead(path, state === "committed" ? "stopped" : "live");
    const fd = output === undefined ? standardOutput : openOutputFile(output);
    const writer = new TextWriter((bytes) => writeAll(fd, bytes));
    try {
      const sink = sinkOf(writer);
      if (line.has("repair")) tellRepair(repair(file, sink, options), line);
      else dump(new PoolReader(file, readState(file, state)), sink, options);
    } finally {
      // What was written before an error tells where that is.
      writer.flush();
      if (fd !== standardOutput) closeSync(fd);
      file.close();
    }
    return exitStatus.success;
  },
};

function formatOf(line: ToolLine): (writer: TextWriter) => PoolSink {
  const format = line.value("format") ?? "xml";
  if (format === "xml") return (writer) => new PoolXmlWriter(writer);
  if (format === "human_readable") return (writer) => new PoolTextWriter(writer);
  throw new UsageError(`unknown format '${format}'`);
}

function optionsOf(line: ToolLine): DumpOptions {
  const description: Partial<PoolDescription> = describedPool(line);
  return { devices: new Set(line.numbers("dev-id")), skipMappings: line.has("skip-mappings"), description };
}
