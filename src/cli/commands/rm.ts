import { eachName } from "../each-name.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica rm` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Removes containers; their space goes back to the host. One that is mounted is refused: unmount it first.",
    )
    .explainArguments({ container: "its name, its ID, or the first characters of its ID" })
    .examples(["mica rm web", ""], ["mica rm web db cache", "several"])
    .action(async (containers: string[]) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const removed = await eachName(containers, settings.json, async (container) => {
          await graph.store.removeContainer(container);
          return { container };
        });
        print(settings, removed, () => removed.map(({ container }) => container).join("\n"));
      });
    });
}
