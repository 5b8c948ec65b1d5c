import { exportDockerGraph } from "../../../adopt/adopt.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { exitStatus } from "../../exit-status.ts";
import { print } from "../../print.ts";
import { layerBars } from "../../progress-bars.ts";
import { settingsOf } from "../../settings.ts";
import { formatTable } from "../../table.ts";
import { addPoolOptions, adoptOptions, type PoolOptions } from "./pool-options.ts";

/** `mica adopt export` */
export function configure(command: DocumentedCommand): void {
  addPoolOptions(command)
    .description(
      "Writes images and containers of a Docker graph to a folder (an OCI image layout) or an archive; without names, all of them. Images " +
        "keep their IDs, and each layer is compared with its digest. A container becomes an image adopted/NAME, as `docker commit` makes one. " +
        "The graph is only read. What is damaged is left out and told, and the exit status is then 1; the rest is written. Both kinds of " +
        "archive are read by `docker load`, skopeo and `mica import` alike.",
    )
    .requiredOption("--to <target>", "a new folder, oci-archive:FILE or docker-archive:FILE")
    .explainArguments({
      path: "Docker's data root, such as `/var/lib/docker`, or a copy of one",
      names:
        "images and containers, by name or ID; without any all, but for the nameless images that builds left on their way",
    })
    .moreInManual(
      "TARGET is there only when it is complete. Images of Docker 1.9 and older, whose IDs were no digests, get the IDs that the upgrade to Docker 1.10 gave them.",
      "Damaged metadata is repaired in a temporary copy, as `thin_repair` does. Where the file system is ext4 no root is needed, if the files may be read; XFS is read by the kernel, as root.",
      "The pool of a graph that was not on its own sparse files is named by `--data` and `--metadata`: the devices of `dm.datadev` and `dm.metadatadev`, the two parts of a thin pool of LVM, or copies as files. Devices must not be in use.",
    )
    .examples(
      ["mica adopt export /var/lib/docker --to docker-archive:all.tar", "everything; then: docker load -i all.tar"],
      [
        "mica adopt export /var/lib/docker web db --to ./rescued",
        "two containers, as images adopted/web and adopted/db",
      ],
      ["mica adopt export ./copy app:2 --to oci-archive:app.tar", "an image, from a copy of a data root"],
      [
        "mica adopt export /var/lib/docker --data /dev/docker/thinpool_tdata --metadata /dev/docker/thinpool_tmeta --to ./all",
        "from a pool in LVM",
      ],
    )
    .seeAlso("thin_repair(8)", "skopeo(1)")
    .action(async (path: string, names: string[], options: PoolOptions & { to: string }) => {
      const settings = settingsOf(command);
      const bars = settings.json ? undefined : await layerBars();
      let result;
      try {
        result = await exportDockerGraph(path, names, {
          ...adoptOptions(options),
          to: options.to,
          ...(bars && { progress: bars.show }),
        });
      } finally {
        bars?.stop();
      }
      const { exported, failed, problems } = result;
      const damaged = exported.filter(({ damage }) => damage !== null);
      if (failed.length > 0 || damaged.length > 0) process.exitCode = exitStatus.failure;
      if (!settings.json) {
        for (const problem of problems) process.stderr.write(`mica: warning: ${problem}\n`);
        for (const { name, damage } of damaged) process.stderr.write(`mica: container ${name} is damaged: ${damage}\n`);
        for (const { kind, name, reason } of failed) {
          process.stderr.write(`mica: Cannot export ${kind} ${name}: ${reason}\n`);
        }
      }
      print(settings, { to: options.to, ...result }, () =>
        exported.length === 0
          ? ""
          : formatTable(
              [
                { heading: "EXPORTED" },
                { heading: "AS" },
                { heading: "IMAGE ID" },
                { heading: "LAYERS", align: "right" },
              ],
              exported.map(({ name, references, id, layers }) => [name, references.join(" "), id, layers.length]),
            ),
      );
    });
}
