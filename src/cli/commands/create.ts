import { InvalidArgumentError } from "commander";
import { parseSize } from "../../graph/options/size.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica create` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Makes a container, a writable snapshot of an image, and prints its ID. It takes no space until it is written to, " +
        "and takes the same time however large the image is. Without NAME it goes by the start of its ID.",
    )
    .option("--size <size>", "a larger device and file system than the image's, such as 20G", sizeOption)
    .explainArguments({
      image: "its name, its ID, or the first characters of its ID",
      name: "what the container is to be called",
    })
    .examples(
      ["mica create app web", "a container named web"],
      ["mica create app", "one without a name of its own"],
      ["mica create app big --size 20G", "with more room than the image's device has"],
    )
    .action(async (image: string, name: string | undefined, options: { size?: number }) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const container = await graph.store.create(image, {
          ...(name !== undefined && { name }),
          ...(options.size !== undefined && { sizeBytes: options.size }),
        });
        print(settings, container, () => container.id);
      });
    });
}

function sizeOption(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : "");
  }
}
