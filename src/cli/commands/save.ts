import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { UsageError } from "../usage-error.ts";
import { withGraph } from "../with-graph.ts";

/** `mica save` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Writes an image with all its layers as an OCI archive, which `docker load`, `skopeo` and `mica import` read. " +
        "FILE - writes to standard output. FILE may also say what it is to be: oci-archive:FILE[:TAG], docker-archive:FILE[:REFERENCE], " +
        "or oci:FOLDER[:TAG], a layout in a folder, to which the image is added.",
    )
    .explainArguments({ image: "its name, its ID, or the first characters of its ID", file: "where to write, or `-`" })
    .examples(
      ["mica save app app.tar", ""],
      ["mica save app - | docker load", "straight into Docker"],
      ["mica save app oci:layout:2.0", "into a folder, beside others"],
    )
    .seeAlso("skopeo(1)")
    .action(async (image: string, file: string) => {
      if (file === "-" && process.stdout.isTTY) {
        throw new UsageError("Cannot write an archive to a terminal: name a file, or redirect the output");
      }
      await withGraph(command, "refuse", async (graph, settings) => {
        await graph.store.save(image, file === "-" ? process.stdout : file, { signal: interruption.signal });
        if (file !== "-" && settings.json) print(settings, { image, file }, () => "");
      });
    });
}
