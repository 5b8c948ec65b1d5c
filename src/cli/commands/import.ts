import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { layerBars } from "../progress-bars.ts";
import { withGraph } from "../with-graph.ts";

/** `mica import` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Brings an image into the graph and prints its ID. SOURCE may be an OCI image layout (a folder or a tar of one), an " +
        "archive made by `docker save`, or a plain tar of a root file system; - reads a tar from standard input. Layers may " +
        "be compressed with gzip, zstd, xz or bzip2. SOURCE may also say what it has to be: oci:FOLDER[:TAG], oci-archive:FILE[:TAG], " +
        "docker-archive:FILE[:REFERENCE]; docker://REFERENCE is pulled. A layer that is there already, from whatever image, is shared. Interrupted, it " +
        "leaves nothing behind.",
    )
    .option("--platform <os/arch>", "which image of a multi-platform index to take (default: this machine's)")
    .option("--insecure", "with docker://, take any certificate, and plain HTTP where there is no TLS")
    .explainArguments({
      name: "what the image is to be called: `app`, `app:2`",
      source: "where it is; without a form before it, what is there tells what it is",
    })
    .moreInManual(
      "In the forms of skopeo(1), SOURCE says what it has to be: `oci:FOLDER[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:REFERENCE]`, `docker://REFERENCE`. A path that looks like one of them is written with `./` before it.",
    )
    .examples(
      ["mica import app ./image.tar", "a `docker save` archive or an OCI archive"],
      ["mica import app:2 ./layout", "an OCI layout folder"],
      ["mica import app oci-archive:all.tar:2.0", "of several images in it, this one"],
      ["docker save app | mica import app -", "straight from Docker"],
      ["tar -C ./rootfs -c . | mica import mine -", "a folder as an image of one layer"],
    )
    .seeAlso("skopeo(1)", "mica-config(5)")
    .action(async (name: string, source: string, options: { platform?: string; insecure?: true }) => {
      if (source === "-") endInputWhenInterrupted();
      await withGraph(command, "make", async (graph, settings) => {
        const bars = settings.json ? undefined : await layerBars();
        try {
          const { id } = await graph.store.import(name, source, {
            signal: interruption.signal,
            registries: settings.registries,
            ...options,
            ...(bars && { progress: bars.show }),
          });
          bars?.stop();
          print(settings, { id, name }, () => id);
        } finally {
          bars?.stop();
        }
      });
    });
}

/** A pipe that never ends must not keep an interrupted import waiting. */
function endInputWhenInterrupted(): void {
  const { signal } = interruption;
  signal.addEventListener("abort", () => {
    // It may come while nobody reads yet; whoever reads then is told.
    process.stdin.on("error", () => undefined).destroy(signal.reason as Error);
  });
}
