import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica snapshot` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Makes a snapshot of a container, which may be mounted, and prints its ID. A snapshot is a container that stays as it is: it cannot be mounted, but " +
        "sent, sent from (`mica send --from`), and made containers of (`mica create SNAPSHOT`). It takes no space until the container changes.",
    )
    .explainArguments({
      container: "its name, its ID, or the first characters of its ID",
      name: "what the snapshot is to be called",
    })
    .examples(
      ["mica snapshot web monday", "keep web as it is now"],
      ["mica create monday web-again", "a container that begins as the snapshot"],
      ["mica rm monday", "it is not needed any more"],
    )
    .action(async (container: string, name: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const made = await graph.store.snapshot(container, name);
        print(settings, made, () => made.id);
      });
    });
}
