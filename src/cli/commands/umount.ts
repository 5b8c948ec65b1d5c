import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica umount` */
export function configure(command: DocumentedCommand): void {
  command
    .description("Unmounts a container; what was written to it is safe in the pool then.")
    .explainArguments({ container: "its name, its ID, or the first characters of its ID" })
    .examples(["mica umount web", ""])
    .action(async (container: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        await graph.store.umount(container);
        print(settings, { container }, () => "");
      });
    });
}
