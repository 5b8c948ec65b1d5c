import { openDockerGraph } from "../../../adopt/open/open-docker-graph.ts";
import { locateRoot } from "../../../docker-graph/locate-root.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { exitStatus } from "../../exit-status.ts";
import { interruption } from "../../interruption.ts";
import { print } from "../../print.ts";
import { settingsOf } from "../../settings.ts";
import { graphOptions, onThisMachine, requireMachine } from "../../with-graph.ts";

/** `mica adopt open` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Makes a Docker graph usable in place: checks it, backs the pool's metadata and the graph's files up beside it (mica-backup-TIME), and lists " +
        "Docker's images and containers in it as Mica's, with the names they have. From then on its devicemapper folder is a --root like any other. " +
        "Docker must be stopped meanwhile; it can open the graph again after `mica shutdown`. Where the pool is not on the graph's own files, say with " +
        "--storage-opt what Docker was started with. Done again, it takes over what Docker made since.",
    )
    .option("--accept-losses", "go on where files and pool do not agree: forget what is lost, delete what has no name")
    .explainArguments({ path: "Docker's data root, such as `/var/lib/docker`, or a copy of one" })
    .moreInManual(
      "The graph is checked, its pool is started once, and the backup is `PATH/mica-backup-TIME`. From then on `PATH/devicemapper` is the graph's folder.",
      "Damaged metadata is refused, and so is a graph whose files and pool do not agree, unless `--accept-losses` is given: then devices that no file names are deleted, and files whose device is lost are forgotten.",
    )
    .examples(
      ["mica adopt open /var/lib/docker", ""],
      ["mica --root /var/lib/docker/devicemapper ls", "then: its images and containers"],
      [
        "mica --storage-opt dm.thinpooldev=docker-thinpool adopt open /var/lib/docker",
        "with a pool in LVM, which is active",
      ],
    )
    .seeAlso("thin_repair(8)")
    .action(async (path: string, options: { acceptLosses?: boolean }) => {
      const settings = settingsOf(command);
      requireMachine(path);
      const { graphRoot } = locateRoot(path);
      const opened = await openDockerGraph(path, {
        ...(await onThisMachine({ ...(await graphOptions(settings)), root: graphRoot })),
        acceptLosses: options.acceptLosses === true,
        signal: interruption.signal,
      });
      const { root, backup, images, containers, leftOut, problems } = opened;
      if (leftOut.length > 0 || problems.length > 0) process.exitCode = exitStatus.failure;
      if (!settings.json) {
        for (const problem of problems) process.stderr.write(`mica: warning: ${problem}\n`);
        for (const left of leftOut) process.stderr.write(`mica: Cannot take over: ${left}\n`);
      }
      print(settings, opened, () =>
        [
          `${count(images.length, "image")} and ${count(containers.length, "container")}: mica --root ${root} ls`,
          `The metadata as it was is in ${backup}`,
        ].join("\n"),
      );
    });
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
