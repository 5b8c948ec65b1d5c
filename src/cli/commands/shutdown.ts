import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { settingsOf } from "../settings.ts";
import { graphOptions, onThisMachine } from "../with-graph.ts";

/** `mica shutdown` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Unmounts every container, deactivates every device and stops the pool: nothing is left mounted, attached or " +
        "running, and nothing is lost. The next command starts the pool again.",
    )
    .moreInManual("Refused while the graph has a daemon: stop that first.")
    .examples(["mica shutdown", ""])
    .action(async () => {
      const settings = settingsOf(command);
      const options = await graphOptions(settings);
      const { graphExists, shutdownGraph } = await import("../../index.ts");
      const stopped = graphExists(options.root);
      if (stopped) await shutdownGraph(await onThisMachine(options));
      print(settings, { root: options.root, stopped }, () =>
        stopped ? "" : `No graph in ${options.root}: nothing to stop`,
      );
    });
}
