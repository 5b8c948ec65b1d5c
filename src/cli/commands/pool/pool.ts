import type { Command } from "commander";
import { examples } from "../../examples.ts";

/** `mica pool`, the group */
export function configure(command: Command): void {
  command
    .description("Makes the graph's pool larger while it is used: at once, or by itself whenever it is nearly full.")
    .addHelpText(
      "after",
      examples(
        ["mica pool grow --data +20G", "now"],
        ["mica pool autogrow --on --ceiling 500G", "whenever it is nearly full"],
      ) + "\n\n`mica pool COMMAND --help` explains a command; `mica info` tells how full the pool is.",
    );
}
