import { inspectDockerGraph, type GraphInspection } from "../../../adopt/inspect.ts";
import { humanSize } from "../../../graph/options/size.ts";
import type { DocumentedCommand } from "../../documented-command.ts";
import { print } from "../../print.ts";
import { settingsOf } from "../../settings.ts";
import { shortId } from "../../short-id.ts";
import { formatTable } from "../../table.ts";
import { addPoolOptions, adoptOptions, type PoolOptions } from "./pool-options.ts";

/** `mica adopt inspect` */
export function configure(command: DocumentedCommand): void {
  addPoolOptions(command)
    .description(
      "Tells what a Docker graph holds: images, layers, containers, volumes by name, the pool, and what is damaged. Only reads: the graph stays " +
        "as it is; damaged metadata is repaired in a temporary copy. Needs no root where the files may be read and the file system is ext4. " +
        "SIZE of a container is what it added and changed, as `docker ps --size` counts it; EXCLUSIVE is what it holds of the pool alone.",
    )
    .explainArguments({ path: "Docker's data root, such as `/var/lib/docker`, or a copy of one" })
    .moreInManual(
      "Damaged metadata is repaired in a temporary copy, as `thin_repair` does. Where the file system is ext4 no root is needed, if the files may be read; XFS is read by the kernel, as root.",
      "The pool of a graph that was not on its own sparse files is named by `--data` and `--metadata`: the devices of `dm.datadev` and `dm.metadatadev`, the two parts of a thin pool of LVM, or copies as files. Devices must not be in use.",
    )
    .examples(
      ["mica adopt inspect /var/lib/docker", ""],
      ["mica adopt inspect ./docker-copy --json", "a copy of a data root; as data, with all of the IDs"],
    )
    .seeAlso("thin_repair(8)")
    .action(async (path: string, options: PoolOptions) => {
      const inspection = await inspectDockerGraph(path, adoptOptions(options));
      print(settingsOf(command), inspection, () => sections(inspection).join("\n\n"));
    });
}

function sections(inspection: GraphInspection): string[] {
  const { volumes, problems } = inspection;
  return [
    summary(inspection),
    ...images(inspection),
    ...layers(inspection),
    ...containers(inspection),
    ...(volumes.length === 0 ? [] : [`Volumes (plain folders, below volumes/): ${volumes.join(", ")}`]),
    problems.length === 0
      ? "No problems found"
      : ["Problems:", ...problems.map((problem) => `- ${problem}`)].join("\n"),
  ];
}

function summary({ dataRoot, layout, pool }: GraphInspection): string {
  const kinds = { "content-addressed": "Docker 1.10 to 24", v1: "Docker 1.9 or older", none: "no images" };
  const lines = [`Docker graph: ${dataRoot} (${kinds[layout]})`];
  if (pool !== null) {
    const { dataUsedBytes, dataTotalBytes, metadataUsedBytes, metadataTotalBytes } = pool;
    lines.push(
      `Pool data: ${humanSize(dataUsedBytes)} of ${humanSize(dataTotalBytes)} used (${pool.dataPath})`,
      `Pool metadata: ${humanSize(metadataUsedBytes)} of ${humanSize(metadataTotalBytes)} used (${pool.metadataPath})`,
      `Pool: transaction ${pool.transactionId}, blocks of ${humanSize(pool.blockSizeBytes)}, ${pool.devices} devices`,
      `File system: ${pool.fileSystem === "" ? "unknown" : pool.fileSystem}` +
        (pool.baseSizeBytes === null ? "" : `, ${humanSize(pool.baseSizeBytes)}`),
    );
    if (pool.deferredDeleted.length > 0) lines.push(`Devices that wait to be deleted: ${pool.deferredDeleted.length}`);
  }
  return lines.join("\n");
}

function images({ images }: GraphInspection): string[] {
  if (images.length === 0) return [];
  const shown = images.filter(({ intermediate }) => !intermediate);
  const table = formatTable(
    [
      { heading: "IMAGE" },
      { heading: "IMAGE ID" },
      { heading: "CREATED" },
      { heading: "LAYERS", align: "right" },
      { heading: "SIZE", align: "right" },
    ],
    shown.flatMap((image) =>
      (image.references.length > 0 ? image.references : [undefined]).map((reference) => [
        reference,
        shortId(image.id),
        image.created?.slice(0, 19).replace("T", " "),
        image.layers.length,
        humanSize(image.sizeBytes),
      ]),
    ),
  );
  const hidden = images.length - shown.length;
  return [hidden === 0 ? table : `${table}\nand ${hidden} without a name, left by builds on the way to others`];
}

function layers({ images }: GraphInspection): string[] {
  const users = new Map<string, { layer: GraphInspection["images"][number]["layers"][number]; images: string[] }>();
  for (const { references, id, intermediate, layers: stack } of images) {
    if (intermediate) continue;
    for (const layer of stack) {
      const known = users.get(layer.device) ?? { layer, images: [] };
      known.images.push(references[0] ?? shortId(id));
      users.set(layer.device, known);
    }
  }
  if (users.size === 0) return [];
  return [
    formatTable(
      [
        { heading: "LAYER" },
        { heading: "DIGEST" },
        { heading: "DEVICE ID", align: "right" },
        { heading: "SIZE", align: "right" },
        { heading: "IMAGES" },
      ],
      [...users.values()].map(({ layer, images: names }) => [
        shortId(layer.chainId ?? layer.device),
        layer.diffId === null ? undefined : shortId(layer.diffId),
        layer.deviceId ?? undefined,
        layer.sizeBytes === null ? undefined : humanSize(layer.sizeBytes),
        names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", "),
      ]),
    ),
  ];
}

function containers({ containers }: GraphInspection): string[] {
  if (containers.length === 0) return [];
  return [
    formatTable(
      [
        { heading: "CONTAINER" },
        { heading: "CONTAINER ID" },
        { heading: "IMAGE" },
        { heading: "COMMAND" },
        { heading: "STATE" },
        { heading: "DEVICE ID", align: "right" },
        { heading: "SIZE", align: "right" },
        { heading: "EXCLUSIVE", align: "right" },
      ],
      containers.map((container) => [
        container.name,
        shortId(container.id),
        container.image === "" ? shortId(container.imageId) : container.image,
        shortCommand(container.command),
        container.state === "exited" ? `exited (${container.exitCode})` : container.state,
        container.deviceId ?? undefined,
        container.sizeBytes === null ? undefined : humanSize(container.sizeBytes),
        container.exclusiveBytes === null ? undefined : humanSize(container.exclusiveBytes),
      ]),
    ),
  ];
}

const shownCharacters = 30;

/** On one line, whatever is in it. */
function shortCommand(command: string[]): string {
  // eslint-disable-next-line no-control-regex -- these are what must not reach a terminal
  const text = command.join(" ").replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters - 1)}…`;
}
