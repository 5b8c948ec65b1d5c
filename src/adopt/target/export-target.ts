import { lstatSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { DockerGraphError } from "../../docker-graph/docker-graph-error.ts";
import type { ArchivedImage, ArchivedLayer } from "../../image/archive-format.ts";
import { ArchiveTarget } from "./archive-target.ts";
import { FolderTarget } from "./folder-target.ts";

/** Where exported images go: blobs first, in any order, then what makes images of them. */
export interface ExportTarget {
  /**
   * Writes a layer's tar as a blob under its digest; one that is there already is not written twice.
   *
   * @param expected what its digest must be, where that is known
   * @throws LayerDigestError when it is another; the blob is then not part of the target
   */
  addLayer(tar: AsyncIterable<Buffer>, expected: string | undefined): Promise<ArchivedLayer>;
  /** Completes it: only now is it there under its name, durably. */
  finish(images: readonly ArchivedImage[]): void;
  /** Removes what was written. */
  abandon(): void;
}

/** What a target is to be. */
export interface TargetPlace {
  kind: "folder" | "archive";
  path: string;
}

/**
 * Reads DIR, `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`. Both archives are the same: an OCI image layout and a
 * `docker save` archive at once.
 *
 * @throws DockerGraphError EINVAL, EEXIST, not-found
 */
export function parseTarget(text: string): TargetPlace {
  const match = /^([a-z-]+):(.*)$/.exec(text);
  const scheme = match?.[1];
  const kind = scheme === "oci-archive" || scheme === "docker-archive" ? "archive" : "folder";
  if (scheme !== undefined && kind === "folder" && scheme !== "oci") {
    throw invalid(text, `'${scheme}:' is unknown`);
  }
  const path = match === null ? text : match[2];
  if (path === "") throw invalid(text, "no path is given");
  checkPlace(text, { kind, path });
  return { kind, path };
}

function invalid(text: string, why: string): DockerGraphError {
  return new DockerGraphError(
    "EINVAL",
    `Cannot export to '${text}': ${why}. Name a folder, oci-archive:FILE or docker-archive:FILE`,
  );
}

/** What can be known to fail is said before anything is read. */
function checkPlace(text: string, { kind, path }: TargetPlace): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    const parent = dirname(path);
    if (lstatSync(parent, { throwIfNoEntry: false }) !== undefined) return;
    throw new DockerGraphError(
      "not-found",
      `Cannot export to '${text}': there is no folder '${parent}'. Make it first`,
    );
  }
  if (kind === "archive") {
    if (found.isDirectory()) throw invalid(text, "it is a folder");
    return;
  }
  if (!found.isDirectory() || readdirSync(path).length > 0) {
    throw new DockerGraphError(
      "EEXIST",
      `Cannot export to '${text}': it is there already${found.isDirectory() ? ", and not empty" : ""}. Name a new folder`,
    );
  }
}

/** Begins a target; nothing of it is seen under its name before it is complete. */
export function openTarget(place: TargetPlace): ExportTarget {
  try {
    return place.kind === "folder" ? new FolderTarget(place.path) : new ArchiveTarget(place.path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DockerGraphError(
      "EACCES",
      `Cannot export to '${place.path}': ${why}. Choose another place, or make this one writable`,
      { cause },
    );
  }
}
