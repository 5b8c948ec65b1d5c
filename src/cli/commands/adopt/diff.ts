import { diffDockerContainer } from "../../../adopt/adopt.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { print } from "../../print.ts";
import { settingsOf } from "../../settings.ts";
import { addPoolOptions, adoptOptions, type PoolOptions } from "./pool-options.ts";

/** `mica adopt diff` */
export function configure(command: DocumentedCommand): void {
  addPoolOptions(command)
    .description(
      "Lists what a container of a Docker graph changed in its image, as `docker diff` does, a path a line: A added, C changed, D deleted. " +
        "Only reads. CONTAINER is a name, an ID or the first characters of an ID.",
    )
    .examples(
      ["mica adopt diff /var/lib/docker web", ""],
      ["mica adopt diff ./docker-copy 4547 --json", "a copy of a data root; a container by ID; as data"],
    )
    .action(async (path: string, container: string, options: PoolOptions) => {
      const changes = await diffDockerContainer(path, container, adoptOptions(options));
      print(settingsOf(command), changes, () =>
        changes.map(({ kind, path: changed }) => `${kind} ${changed}`).join("\n"),
      );
    });
}
