import type { Command } from "commander";
import { examples } from "../examples.ts";
import { print } from "../print.ts";
import { resolveDevice } from "../resolve-device.ts";
import { withGraph } from "../with-graph.ts";

/** `mica attach` */
export function configure(command: Command): void {
  command
    .description(
      "Activates a device without mounting it and prints its block device: for a microVM, or for mkfs, dd or fsck. " +
        "DEVICE is a container, or any name or ID that `mica ls` shows. Do not write to a layer: its snapshots rely on it.",
    )
    .addHelpText(
      "after",
      examples(
        ["mica attach web", "prints, say, /dev/loop7"],
        ['qemu-system-x86_64 -drive file="$(mica attach web)",format=raw,if=virtio', ""],
      ),
    )
    .action(async (device: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const found = await resolveDevice(graph, device);
        const blockDevice = await graph.devices.activate(found.device);
        print(settings, { device: found.device, blockDevice }, () => blockDevice);
      });
    });
}
