import type { DocumentedCommand } from "../../documented-command.ts";

/** `mica adopt`, the group */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Opens what Docker's devicemapper driver left behind: a data root such as /var/lib/docker, or a copy of one, of Docker 1.9 to 24, " +
        "with its pool on loopback files, on devices or in LVM. No Docker is needed.",
    )
    .examples(
      ["mica adopt inspect /var/lib/docker", "what is there, and what is damaged"],
      ["mica adopt export /var/lib/docker --to docker-archive:all.tar", "all of it, for `docker load`"],
    )
    .addHelpText("after", "\n`mica adopt COMMAND --help` explains a command.");
}
