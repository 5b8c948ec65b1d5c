import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { resolveDevice } from "../resolve-device.ts";
import { withGraph } from "../with-graph.ts";

/** `mica status` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows one thin device as its pool knows it. DEVICE is a container, `base`, an image (its top layer), or a layer or " +
        "device by ID or the first characters of one. A sector is 512 bytes.",
    )
    .explainArguments({
      device:
        "a container, `base`, an image (its top layer), or a layer or device by its ID or the first characters of it",
    })
    .moreInManual(
      "Shown are the device's number in the pool, its size, its transaction id, how many sectors are mapped, the highest of them, and its block device, if it is active.",
    )
    .examples(["mica status web", ""], ["mica status base --json", "as data"])
    .action(async (device: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const found = await resolveDevice(graph, device);
        const status = await graph.devices.deviceStatus(found.device);
        const answer = {
          device: found.device,
          ...status,
          highestMappedSector: status.highestMappedSector ?? null,
          blockDevice: status.blockDevice ?? null,
        };
        print(settings, answer, () =>
          [
            `Device: ${found.device}`,
            `Device ID: ${status.deviceId}`,
            `Size: ${status.sizeBytes} bytes`,
            `Transaction ID: ${status.transactionId}`,
            `Mapped Sectors: ${status.mappedSectors}`,
            `Highest Mapped Sector: ${status.highestMappedSector ?? "-"}`,
            `Block Device: ${status.blockDevice ?? "-"}`,
          ].join("\n"),
        );
      });
    });
}
