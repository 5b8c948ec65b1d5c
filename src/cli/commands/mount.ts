import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { withGraph } from "../with-graph.ts";

/** `mica mount` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Mounts a container and prints the folder with its root file system. It stays mounted when the command ends; one " +
        "that is mounted already stays where it is.",
    )
    .explainArguments({ container: "its name, its ID, or the first characters of its ID" })
    .examples(
      ["mica mount web", ""],
      ['chroot "$(mica mount web)" /bin/sh', "a shell in it"],
      ['cp -r ./site "$(mica mount web)/srv"', "files into it"],
    )
    .action(async (container: string) => {
      await withGraph(command, "refuse", async (graph, settings) => {
        const path = await graph.store.mount(container);
        print(settings, { container, path }, () => path);
      });
    });
}
