import { resolve } from "node:path";
import type { Command } from "commander";
import { examples } from "../examples.ts";
import { print } from "../print.ts";
import { settingsOf } from "../settings.ts";
import { graphExists, withGraph } from "../with-graph.ts";

/** `mica shutdown` */
export function configure(command: Command): void {
  command
    .description(
      "Unmounts every container, deactivates every device and stops the pool: nothing is left mounted, attached or " +
        "running, and nothing is lost. The next command starts the pool again.",
    )
    .addHelpText("after", examples(["mica shutdown", ""]))
    .action(async () => {
      const settings = settingsOf(command);
      const root = resolve(settings.root);
      if (!graphExists(root)) {
        print(settings, { root, stopped: false }, () => `No graph in ${root}: nothing to stop`);
        return;
      }
      await withGraph(command, "refuse", async (graph) => {
        await graph.shutdown();
      });
      print(settings, { root, stopped: true }, () => "");
    });
}
