import type { WriteStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import type { DocumentedCommand } from "../documented-command.ts";
import { errorCode } from "../../linux/system-error.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { transferBar } from "../transfer-bar.ts";
import { UsageError } from "../usage-error.ts";
import { withOwnGraph } from "../with-graph.ts";

/** What the command line says. */
interface SendFlags {
  from?: string;
  output?: string;
  compress?: true;
  resume?: string;
}

/** `mica send` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Writes a container's device as a stream for `mica receive`, to standard output or to a file: the blocks that it has, or with --from only those that " +
        "differ from a snapshot's. The container may be mounted: it is sent as it is at this moment. Of a snapshot (`mica snapshot`) a stream that broke " +
        "off can go on, with the token that the receiver prints.",
    )
    .option("--from <snapshot>", "a snapshot that the receiver has: send only what differs from it")
    .option("-o, --output <file>", "write to this file; - is standard output")
    .option("--compress", "compress the data, where that makes them less")
    .option("--resume <token>", "go on with a stream that broke off; CONTAINER and --from are in the token")
    .explainArguments({
      container: "a container or a snapshot, by its name, its ID, or the first characters of its ID",
    })
    .examples(
      ["mica send web | ssh host mica receive", "a container to another host"],
      ["mica snapshot web monday", "keep it as it is"],
      ["mica send monday -o monday.mica", "a backup"],
      ["mica send tuesday --from monday | ssh host mica receive", "what has changed since"],
      ["mica send --resume TOKEN | ssh host mica receive", "go on after a break"],
    )
    .action(async (container: string | undefined, flags: SendFlags) => {
      const file = flags.output === "-" ? undefined : flags.output;
      if ((container === undefined) === (flags.resume === undefined)) {
        throw new UsageError("Cannot send: name a container, or give --resume with a token, and not both");
      }
      if (flags.resume !== undefined && flags.from !== undefined) {
        throw new UsageError("Cannot use --from with --resume: the token says what the stream is an increment on");
      }
      if (file === undefined && process.stdout.isTTY) {
        throw new UsageError("Cannot write a stream to a terminal: use --output FILE, or pipe it into `mica receive`");
      }
      await withOwnGraph(command, "refuse", async (graph, settings) => {
        const bar = settings.json ? undefined : await transferBar();
        const options = {
          from: flags.from,
          resume: flags.resume,
          compression: flags.compress === true ? ("deflate" as const) : ("none" as const),
          signal: interruption.signal,
          progress: bar?.show,
        };
        try {
          if (file === undefined) {
            await graph.send(container, process.stdout, options);
            return;
          }
          const output = await newFile(file);
          try {
            const sent = await graph.send(container, output, options);
            print(settings, { ...sent, snapshot: sent.snapshot ?? null, from: sent.from ?? null, file }, () => "");
          } catch (error) {
            await rm(file, { force: true });
            throw error;
          }
        } finally {
          bar?.stop();
        }
      });
    });
}

/** A file that was not there: nothing is written over, and what a failure leaves is this command's to remove. */
async function newFile(path: string): Promise<WriteStream> {
  try {
    return (await open(path, "wx", 0o600)).createWriteStream({ flush: true });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    throw new Error(
      `Cannot write the stream to '${path}': there is something already. Remove it, or name another file`,
      { cause: error },
    );
  }
}
