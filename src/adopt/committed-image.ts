import type { StoredContainer } from "../docker-graph/containers.ts";
import type { ImageConfig } from "../image/image-config.ts";
import { hostPlatform } from "../image/platform.ts";

/** The digest of a tar without entries: a container that changed nothing gets no layer, as with `docker commit`. */
export const emptyTarDiffId = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** Of the image's configuration, what its descendant keeps. */
const inherited = ["architecture", "variant", "os", "os.version", "os.features"];

/**
 * The configuration of an image made from a container, as `docker commit` makes it: its image's, with the container's own way to run
 * and one layer more. The same container gives the same bytes always.
 *
 * @param base configuration of the container's image; undefined where it is gone
 * @param below diff IDs of the image's layers
 * @param diffId of the container's own layer
 */
export function committedConfig(
  container: StoredContainer,
  base: ImageConfig | undefined,
  below: readonly string[],
  diffId: string,
): Buffer {
  const empty = diffId === emptyTarDiffId;
  const created = container.created ?? base?.created ?? new Date(0).toISOString();
  const { os, architecture } = hostPlatform();
  const kept = Object.entries(base?.raw ?? { architecture, os }).filter(([key]) => inherited.includes(key));
  const history = base === undefined ? below.map(() => unknownLayer(created)) : historyOf(base);
  const config = {
    ...Object.fromEntries(kept),
    config: container.config,
    container: container.id,
    created,
    history: [
      ...history,
      {
        created,
        created_by: commandOf(container),
        comment: `container ${container.name}, adopted from Docker`,
        ...(empty && { empty_layer: true }),
      },
    ],
    rootfs: { type: "layers", diff_ids: empty ? below : [...below, diffId] },
  };
  return Buffer.from(JSON.stringify(config));
}

/**
 * The name that an image of a container gets: `adopted/` and the container's name in small letters, with "-" for what names of
 * images cannot have.
 */
export function committedName(container: StoredContainer): string {
  const name = container.name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/([._-])[._-]*/g, "$1")
    .replace(/^[._-]+|[._-]+$/g, "");
  return `adopted/${name === "" ? container.id.slice(0, 12) : name}:latest`;
}

function historyOf({ raw }: ImageConfig): unknown[] {
  return Array.isArray(raw.history) ? (raw.history as unknown[]) : [];
}

function unknownLayer(created: string): object {
  return { created, comment: "a layer of an image that was removed" };
}

/** As Docker notes it: the command that was asked for, else what runs. */
function commandOf({ config, command }: StoredContainer): string {
  const { Cmd } = config;
  if (Array.isArray(Cmd)) return Cmd.join(" ");
  return typeof Cmd === "string" ? Cmd : command.join(" ");
}
