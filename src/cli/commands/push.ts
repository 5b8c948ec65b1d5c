import { Option } from "commander";
import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { pushBars } from "../progress-bars.ts";
import { withGraph } from "../with-graph.ts";

/** `mica push` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Sends an image to a registry and prints the digest of its manifest. REFERENCE says where to; without it, the image's own " +
        "name does. Layers that are there already, from whatever image, are not sent. Credentials are those of `mica login` and " +
        "`docker login`.",
    )
    .addOption(
      new Option("--manifest <form>", "the OCI's manifest, or Docker's schema 2")
        .choices(["oci", "v2s2"])
        .default("oci"),
    )
    .option("--insecure", "take any certificate of that registry, and plain HTTP where it does not speak TLS")
    .explainArguments({
      image: "its name, its ID, or the first characters of its ID",
      reference: "where it is to be, such as `ghcr.io/team/app:2`",
    })
    .examples(
      ["mica push ghcr.io/team/app:2", "an image that is named by where it goes"],
      ["mica push app host:5000/team/app:2", "any other"],
    )
    .seeAlso("skopeo(1)", "mica-config(5)")
    .action(
      async (image: string, reference: string | undefined, options: { manifest: "oci" | "v2s2"; insecure?: true }) => {
        await withGraph(command, "refuse", async (graph, settings) => {
          const bars = settings.json ? undefined : await pushBars();
          try {
            const pushed = await graph.store.push(image, reference, {
              signal: interruption.signal,
              registries: settings.registries,
              format: options.manifest,
              insecure: options.insecure,
              ...(bars && { progress: bars.show }),
            });
            bars?.stop();
            print(settings, pushed, () => pushed.digest);
          } finally {
            bars?.stop();
          }
        });
      },
    );
}
