import type { DocumentedCommand } from "../../documented-command.ts";

/** `mica pool`, the group */
export function configure(command: DocumentedCommand): void {
  command
    .description("Makes the graph's pool larger while it is used: at once, or by itself whenever it is nearly full.")
    .examples(
      ["mica pool grow --data +20G", "now"],
      ["mica pool autogrow --on --ceiling 500G", "whenever it is nearly full"],
    )
    .addHelpText("after", "\n`mica pool COMMAND --help` explains a command; `mica info` tells how full the pool is.");
}
