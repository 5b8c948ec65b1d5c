import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica commit` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Makes an image of what a container holds now, as one layer on top of the container's image, and prints its ID. " +
        "The container stays as it is and may be mounted.",
    )
    .explainArguments({
      container: "its name, its ID, or the first characters of its ID",
      name: "what the image is to be called",
    })
    .examples(["mica commit web app:2", ""])
    .action(async (container: string, name: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const { id } = await graph.store.commit(container, name, { signal: interruption.signal });
        print(settings, { id, name }, () => id);
      });
    });
}
