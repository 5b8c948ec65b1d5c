import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { layerBars } from "../progress-bars.ts";
import { withGraph } from "../with-graph.ts";

/** `mica pull` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Brings an image in from a registry and prints its ID. REFERENCE is a name as Docker knows it: without a host it is of " +
        "docker.io, without a tag it is latest. Layers that are there already are not downloaded; the others are unpacked while " +
        "they come. Interrupted, it leaves nothing behind. Credentials are those of `mica login` and `docker login`.",
    )
    .option("--platform <os/arch>", "which image of a multi-platform index to take (default: this machine's)")
    .option("--name <name>", "the name the image is to have here (default: the reference)")
    .option("--insecure", "take any certificate of that registry, and plain HTTP where it does not speak TLS")
    .explainArguments({ reference: "the image in its registry: `alpine:3.20`, `ghcr.io/team/app@sha256:...`" })
    .moreInManual(
      "Three layers are downloaded at once, and a download that breaks off goes on where it was. Every layer and manifest is checked by its digest. Nothing but `--insecure`, or `insecure` in the configuration, makes plain HTTP or any certificate do.",
      'Mirrors and certificates are set in the configuration\'s tables `[registries."HOST"]`.',
    )
    .examples(
      ["mica pull alpine:3.20", "docker.io/library/alpine:3.20"],
      ["mica pull --platform linux/arm64 ghcr.io/team/app", "another machine's"],
      ["mica pull --name app host:5000/team/app@sha256:…", "exactly this one"],
    )
    .seeAlso("skopeo(1)", "mica-config(5)")
    .action(async (reference: string, options: { platform?: string; name?: string; insecure?: true }) => {
      await withGraph(command, "make", async (graph, settings) => {
        const bars = settings.json ? undefined : await layerBars();
        try {
          const pulled = await graph.store.pull(reference, {
            signal: interruption.signal,
            registries: settings.registries,
            ...options,
            ...(bars && { progress: bars.show }),
          });
          bars?.stop();
          print(settings, pulled, () => pulled.id);
        } finally {
          bars?.stop();
        }
      });
    });
}
