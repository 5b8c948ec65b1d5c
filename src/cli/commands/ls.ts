import { humanSize } from "../../graph/options/size.ts";
import { listDevices } from "../device-index.ts";
import type { ListedDevice } from "../device-index.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { shortId } from "../short-id.ts";
import { formatTable } from "../table.ts";
import { withGraph } from "../with-graph.ts";

/** `mica ls` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Lists every thin device: the base, image layers, containers, containerd's snapshots, Docker's devices. MAPPED is what a device holds in the pool, EXCLUSIVE " +
        "what removing it alone would free, DEVICE its number in the pool.",
    )
    .examples(["mica ls", ""], ["mica ls --json | jq '.[] | select(.mountPoint)'", "what is mounted"])
    .action(async () => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const devices = await listDevices(graph);
        print(settings, devices, () =>
          formatTable(
            [
              { heading: "KIND" },
              { heading: "NAME" },
              { heading: "ID" },
              { heading: "DEVICE", align: "right" },
              { heading: "SIZE", align: "right" },
              { heading: "MAPPED", align: "right" },
              { heading: "EXCLUSIVE", align: "right" },
              { heading: "MOUNTED" },
            ],
            devices.map((device) => [
              device.kind,
              device.names.join(","),
              shortId(device.id),
              device.deviceId,
              humanSize(device.sizeBytes),
              humanSize(device.mappedBytes),
              humanSize(device.exclusiveBytes),
              whereabouts(device),
            ]),
          ),
        );
      });
    });
}

function whereabouts(device: ListedDevice): string | undefined {
  if (device.deleted) return "being deleted";
  return device.mountPoint ?? device.blockDevice ?? undefined;
}
