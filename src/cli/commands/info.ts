import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica info` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows the pool's state: the lines, order and units of `docker info` for the devicemapper driver. Makes the graph " +
        "where there is none yet.",
    )
    .examples(
      ["mica info", ""],
      ["mica --root /srv/mica --storage-opt dm.basesize=20G info", "make a graph with larger devices"],
      ["mica info --json", "as an object, line by line"],
    )
    .action(async () => {
      await withGraph(command, "make", async (graph, settings) => {
        const lines = await graph.devices.status();
        print(settings, Object.fromEntries(lines), () => lines.map(([key, value]) => `${key}: ${value}`).join("\n"));
      });
    });
}
