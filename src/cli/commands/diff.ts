import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica diff` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Lists what a container changed in its image, a path a line: A added, C changed, D deleted. The container may be " +
        "mounted or not.",
    )
    .explainArguments({ container: "its name, its ID, or the first characters of its ID" })
    .examples(["mica diff web", ""], ["mica diff web | grep ^D", "what it deleted"])
    .action(async (container: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const changes = await graph.store.diff(container);
        print(settings, changes, () => changes.map(({ kind, path }) => `${kind} ${path}`).join("\n"));
      });
    });
}
