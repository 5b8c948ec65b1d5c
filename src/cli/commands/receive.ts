import { createReadStream } from "node:fs";
import type { DocumentedCommand } from "../documented-command.ts";
import { humanSize } from "../../graph/options/size.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { printable } from "../printable.ts";
import { formatTable } from "../table.ts";
import { transferBar } from "../transfer-bar.ts";
import { UsageError } from "../usage-error.ts";
import { withOwnGraph } from "../with-graph.ts";

/** What the command line says. */
interface ReceiveFlags {
  input?: string;
  pending?: true;
  discard?: string;
}

/** `mica receive` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Reads a stream of `mica send` from standard input, or from a file, makes a container of it, with the same bytes, and prints its ID. NAME is what it is " +
        "to be called here; without it, as at the sender's. The container appears when all of it is here and checked. A snapshot whose stream broke off " +
        "is kept as far as it came: the failure, and --pending, tell the token with which `mica send` goes on.",
    )
    .option("-i, --input <file>", "read from this file; - is standard input")
    .option("--pending", "list what broke off, with its tokens")
    .option("--discard <name>", "throw away what broke off, by name, identity or token")
    .explainArguments({ name: "what the container is to be called; without it, as at the sender's" })
    .examples(
      ["mica send web | ssh host mica receive", "a container from another host"],
      ["mica receive -i monday.mica", "out of a backup"],
      ["mica receive web-copy -i monday.mica", "by another name"],
      ["mica create monday web", "a container of a snapshot that was received"],
      ["mica receive --pending", "what broke off"],
    )
    .action(async (name: string | undefined, flags: ReceiveFlags) => {
      const others = [name, flags.input, flags.pending, flags.discard].filter((each) => each !== undefined).length;
      if ((flags.pending === true || flags.discard !== undefined) && others > 1) {
        throw new UsageError("Cannot receive at the same time: use --pending, or --discard NAME, by itself");
      }
      if (flags.pending === true) return listPending(command);
      if (flags.discard !== undefined) return discard(command, flags.discard);
      const file = flags.input === "-" ? undefined : flags.input;
      if (file === undefined && process.stdin.isTTY) {
        throw new UsageError(
          "Cannot read a stream from a terminal: use --input FILE, or pipe one of `mica send` into it",
        );
      }
      return receive(command, name, file);
    });
}

async function receive(command: DocumentedCommand, name: string | undefined, file: string | undefined): Promise<void> {
  await withOwnGraph(command, "make", async (graph, settings) => {
    const bar = settings.json ? undefined : await transferBar();
    try {
      const input = file === undefined ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
      const received = await graph.receive(input, { name, signal: interruption.signal, progress: bar?.show });
      bar?.stop();
      if (received.imageMissing && !settings.json) {
        process.stderr.write(
          `mica: ${received.name} is whole, but its image ${printable(received.image)} is not here: \`mica diff\` and \`mica commit\` need it\n`,
        );
      }
      print(settings, { ...received, snapshot: received.snapshot ?? null }, () => received.id);
    } finally {
      bar?.stop();
    }
  });
}

async function listPending(command: DocumentedCommand): Promise<void> {
  await withOwnGraph(command, "refuse", async (graph, settings) => {
    const pending = await graph.pendingReceives();
    const shown = pending.map((each) => ({ ...each, from: each.from ?? null, resume: each.resume ?? null }));
    print(settings, shown, () =>
      pending.length === 0
        ? ""
        : formatTable(
            [
              { heading: "NAME" },
              { heading: "SNAPSHOT" },
              { heading: "SIZE", align: "right" },
              { heading: "UP TO", align: "right" },
              { heading: "TOKEN" },
            ],
            pending.map(({ name, snapshot, sizeBytes, offsetBytes, resume }) => [
              name,
              snapshot.slice(0, 12),
              humanSize(sizeBytes),
              humanSize(offsetBytes),
              resume ?? "-",
            ]),
          ),
    );
  });
}

async function discard(command: DocumentedCommand, which: string): Promise<void> {
  await withOwnGraph(command, "refuse", async (graph, settings) => {
    const { snapshot, name } = await graph.discardReceive(which);
    print(settings, { snapshot, name }, () => "");
  });
}
