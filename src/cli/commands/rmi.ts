import { eachName } from "../each-name.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica rmi` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Removes images, and with the last name of an image the layers that nothing else uses; their space goes back to the " +
        "host. An image that a container stands on is refused.",
    )
    .explainArguments({ image: "its name, its ID, or the first characters of its ID" })
    .examples(["mica rmi app", ""], ["mica rmi app:1 app:2", "several"])
    .action(async (images: string[]) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const removed = await eachName(images, settings.json, async (image) => ({
          image,
          ...(await graph.store.removeImage(image)),
        }));
        print(settings, removed, () =>
          removed
            .flatMap(({ untagged, deleted }) => [
              ...untagged.map((name) => `untagged ${name}`),
              ...deleted.map((id) => `deleted ${id}`),
            ])
            .join("\n"),
        );
      });
    });
}
