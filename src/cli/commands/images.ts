import { humanSize } from "../../graph/options/size.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { shortId } from "../short-id.ts";
import { formatTable } from "../table.ts";
import { withGraph } from "../with-graph.ts";

/** `mica images` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Lists images by name. SIZE is the content of all an image's layers, shared ones included; `mica tree` shows what " +
        "is shared.",
    )
    .examples(["mica images", ""], ["mica images --json", "as data"])
    .action(async () => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const images = await graph.store.images();
        print(settings, images, () =>
          formatTable(
            [
              { heading: "NAME" },
              { heading: "IMAGE ID" },
              { heading: "CREATED" },
              { heading: "LAYERS", align: "right" },
              { heading: "SIZE", align: "right" },
            ],
            images.flatMap((image) =>
              (image.references.length > 0 ? image.references : [undefined]).map((reference) => [
                reference,
                shortId(image.id),
                image.created?.slice(0, 19).replace("T", " "),
                image.layers.length,
                humanSize(image.sizeBytes),
              ]),
            ),
          ),
        );
      });
    });
}
