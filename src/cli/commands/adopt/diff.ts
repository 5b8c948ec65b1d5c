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
    .explainArguments({
      path: "Docker's data root, such as `/var/lib/docker`, or a copy of one",
      container: "its name, its ID, or the first characters of its ID",
    })
    .moreInManual(
      "Damaged metadata is repaired in a temporary copy, as `thin_repair` does. Where the file system is ext4 no root is needed, if the files may be read; XFS is read by the kernel, as root.",
      "The pool of a graph that was not on its own sparse files is named by `--data` and `--metadata`: the devices of `dm.datadev` and `dm.metadatadev`, the two parts of a thin pool of LVM, or copies as files. Devices must not be in use.",
    )
    .examples(
      ["mica adopt diff /var/lib/docker web", ""],
      ["mica adopt diff ./docker-copy 4547 --json", "a copy of a data root; a container by ID; as data"],
    )
    .seeAlso("thin_repair(8)")
    .action(async (path: string, container: string, options: PoolOptions) => {
      const changes = await diffDockerContainer(path, container, adoptOptions(options));
      print(settingsOf(command), changes, () =>
        changes.map(({ kind, path: changed }) => `${kind} ${changed}`).join("\n"),
      );
    });
}
