import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { UsageError } from "../usage-error.ts";
import { withGraph } from "../with-graph.ts";

/** `mica export` */
export function configure(command: DocumentedCommand): void {
  command
    .description("Writes all files of a container as one tar, without layers, to standard output or to a file.")
    .option("-o, --output <file>", "write to this file")
    .explainArguments({ container: "its name, its ID, or the first characters of its ID" })
    .examples(
      ["mica export web > web.tar", ""],
      ["mica export web -o web.tar", "the same"],
      ["mica export web | mica import flat -", "an image of one layer"],
    )
    .action(async (container: string, options: { output?: string }) => {
      const file = options.output;
      if (file === undefined && process.stdout.isTTY) {
        throw new UsageError("Cannot write a tar to a terminal: use --output FILE, or redirect the output");
      }
      await withGraph(command, "refuse", async (graph, settings) => {
        if (file === undefined) {
          await graph.store.export(container, process.stdout, { signal: interruption.signal });
          return;
        }
        await graph.store.container(container);
        try {
          await graph.store.export(container, createWriteStream(file), { signal: interruption.signal });
        } catch (error) {
          await rm(file, { force: true });
          throw error;
        }
        print(settings, { container, file }, () => "");
      });
    });
}
