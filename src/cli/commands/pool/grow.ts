import { InvalidArgumentError } from "commander";
import { parseGrowthSize, type GrowthSize } from "../../../graph/growth/growth-size.ts";
import { humanSize } from "../../../graph/options/size.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { print } from "../../print.ts";
import { withGraph } from "../../with-graph.ts";

/** `mica pool grow` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Makes the pool larger while it is used; containers that wait for space in a full pool go on. Loopback files grow to SIZE: " +
        "`200G`, or `+20G` or `+20%` more than now; they stay sparse. On block devices (dm.datadev, dm.metadatadev) make the devices " +
        "larger first: the pool takes all that they have. Pools of LVM's are grown with lvextend. A pool cannot be made smaller.",
    )
    .option("--data <size>", "room for the containers' and images' blocks", sizeOption)
    .option("--metadata <size>", "room for keeping account of them; about 1/1000 of the data is plenty", sizeOption)
    .examples(
      ["mica pool grow --data 200G", "to 200G altogether"],
      ["mica pool grow --data +20% --metadata +1G", "both, by that much"],
      ["mica pool grow", "on block devices: all that they have by now"],
    )
    .seeAlso("lvextend(8)")
    .action(async (options: { data?: GrowthSize; metadata?: GrowthSize }) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const grown = await graph.devices.growPool({
          ...(options.data !== undefined && { dataBytes: options.data }),
          ...(options.metadata !== undefined && { metadataBytes: options.metadata }),
        });
        print(settings, grown, () =>
          [
            `Data: ${change(grown.before.dataBytes, grown.after.dataBytes)}`,
            `Metadata: ${change(grown.before.metadataBytes, grown.after.metadataBytes)}`,
          ].join("\n"),
        );
      });
    });
}

function change(before: number, after: number): string {
  return before === after ? `${humanSize(before)}, as before` : `${humanSize(before)} → ${humanSize(after)}`;
}

function sizeOption(text: string): GrowthSize {
  try {
    return parseGrowthSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : "");
  }
}
