import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { resolveDevice } from "../resolve-device.ts";
import { withGraph } from "../with-graph.ts";

/** `mica detach` */
export function configure(command: DocumentedCommand): void {
  command
    .description("Undoes `mica attach`: the block device goes, and its export by NBD; what was written to it stays.")
    .explainArguments({
      device:
        "a container, `base`, an image (its top layer), or a layer or device by its ID or the first characters of it",
    })
    .moreInManual(
      "What NBD clients have asked for is finished, and their connections are closed, before the block device goes.",
    )
    .examples(["mica detach web", ""])
    .action(async (device: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const found = await resolveDevice(graph, device);
        await graph.devices.deactivate(found.device);
        print(settings, { device: found.device }, () => "");
      });
    });
}
