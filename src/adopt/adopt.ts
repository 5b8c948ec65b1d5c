import { DockerGraphError } from "../docker-graph/docker-graph-error.ts";
import type { Change } from "../layer/change.ts";
import { changes } from "../layer/changes.ts";
import { exportImages, type ExportOptions, type ExportResult } from "./export.ts";
import { findContainer } from "./find-names.ts";
import { OpenedGraph, type AdoptOptions } from "./opened-graph.ts";
import { imageOf } from "./export-plan.ts";
import { withRootfs } from "./rootfs.ts";
import { parseTarget } from "./target/export-target.ts";

/**
 * What a container of a Docker graph changed, as `docker diff` tells it.
 *
 * @param container by name, ID, or the first characters of its ID
 * @throws DockerGraphError, also when the container's files cannot be read
 */
export async function diffDockerContainer(
  path: string,
  container: string,
  options: AdoptOptions = {},
): Promise<Change[]> {
  const opened = await OpenedGraph.open(path, options, "refuse");
  try {
    const found = findContainer(opened.graph, container);
    const { mount } = found;
    if (mount === undefined) throw damaged(found.name, "it is not told which device is its own");
    const below = mount.initDevice ?? imageOf(opened.graph, found)?.layers.at(-1)?.device;
    try {
      return await withRootfs(opened, [mount.device, below], (root, under) => changes(root, under));
    } catch (error) {
      throw damaged(found.name, error instanceof Error ? error.message : String(error), error);
    }
  } finally {
    opened.close();
  }
}

function damaged(name: string, why: string, cause?: unknown): DockerGraphError {
  return new DockerGraphError("EDAMAGED", `Cannot compare container ${name}: ${why}`, { cause });
}

/**
 * Writes images and containers of a Docker graph as an OCI image layout or an archive. Images keep their IDs and their layers' digests;
 * a container becomes an image, as by `docker commit`, called `adopted/NAME`. What cannot be written whole is left out and told.
 *
 * @param names images by name or ID, containers by name or ID; none: everything
 * @param options.to a new folder, `oci-archive:FILE` or `docker-archive:FILE`; it is there only when it is complete
 * @throws DockerGraphError
 *
 * @example
 * const { failed } = await exportDockerGraph("/var/lib/docker", ["web"], { to: "docker-archive:web.tar" });
 */
export async function exportDockerGraph(
  path: string,
  names: readonly string[],
  options: AdoptOptions & ExportOptions & { to: string },
): Promise<ExportResult & { problems: string[] }> {
  const place = parseTarget(options.to);
  const opened = await OpenedGraph.open(path, options, "refuse");
  try {
    const result = await exportImages(opened.graph, opened, names, place, options);
    return { ...result, problems: [...opened.problems] };
  } finally {
    opened.close();
  }
}
