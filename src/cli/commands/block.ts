import { InvalidArgumentError } from "commander";
import { listDevices } from "../device-index.ts";
import { describeDevice } from "../describe-device.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { resolveDevice } from "../resolve-device.ts";
import { withGraph } from "../with-graph.ts";

/** `mica block` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows where block NUMBER of a container's device lives: which block of the pool's data holds it, which layer wrote " +
        "it, and which devices share it. Blocks count from 0 and are as long as `mica info`'s Pool Blocksize.",
    )
    .explainArguments({
      container: "its name, its ID, or the first characters of its ID",
      number: "the block's, counted from 0",
    })
    .examples(["mica block web 0", ""], ["mica block web 4096 --json", "as data"])
    .action(async (container: string, number: string) => {
      const block = blockNumber(number);
      await withGraph(command, "refuse", async (graph, settings) => {
        const found = await resolveDevice(graph, container);
        const place = await graph.devices.locateBlock(found.device, block);
        const devices = new Map((await listDevices(graph)).map((device) => [device.device, device]));
        const describe = (name: string): string => {
          const device = devices.get(name);
          return device === undefined ? `device ${name}` : describeDevice(device);
        };
        const answer = {
          device: found.device,
          block,
          blockSizeBytes: place.blockSizeBytes,
          dataBlock: place.dataBlock ?? null,
          dataOffsetBytes: place.dataBlock === undefined ? null : place.dataBlock * place.blockSizeBytes,
          writer: place.writer ?? null,
          sharedBy: place.owners.length,
          owners: place.owners,
        };
        print(settings, answer, () => {
          if (answer.dataBlock === null) return `Block ${block}: not written by anyone; it reads as zeroes`;
          return [
            `Block: ${block} (${place.blockSizeBytes} bytes)`,
            `Data Block: ${answer.dataBlock} (byte ${answer.dataOffsetBytes ?? 0} of the data)`,
            `Written By: ${place.writer === undefined ? "a device that is gone" : describe(place.writer)}`,
            `Shared By: ${place.owners.length === 1 ? "no other device" : `${place.owners.length} devices`}`,
            ...(place.owners.length > 1 ? place.owners.map((owner) => `  ${describe(owner)}`) : []),
          ].join("\n");
        });
      });
    });
  command.registeredArguments[1].argParser((text: string) => {
    blockNumber(text);
    return text;
  });
}

function blockNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError("It is a block's number, counted from 0.");
  }
  return number;
}
