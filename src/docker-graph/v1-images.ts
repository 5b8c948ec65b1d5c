import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { readStoredJson, readStoredText, storedNames, type Problems } from "./stored-file.ts";
import type { StoredImage, StoredLayer, V1Image } from "./stored-image.ts";

const schema = v.looseObject({
  id: v.nullish(v.string()),
  parent: v.nullish(v.string()),
  parent_id: v.nullish(v.string()),
  created: v.nullish(v.string()),
  architecture: v.nullish(v.string()),
  os: v.nullish(v.string()),
});

interface Entry {
  image: V1Image;
  layer: StoredLayer;
}

/**
 * Reads `graph/`, the images of Docker 1.9 and older: each is one layer over its parent, and its device has the image's ID as
 * its name. One whose chain is broken is kept, as broken.
 *
 * @param namesByImage undefined where the names are lost: then no image is taken for one that a build left
 * @param devices the graph's names of its devices: images of another storage driver are left out
 */
export function readV1Images(
  folder: string,
  namesByImage: ReadonlyMap<string, string[]> | undefined,
  devices: ReadonlyMap<string, unknown>,
  problems: Problems,
): StoredImage[] {
  const references = namesByImage ?? new Map<string, string[]>();
  const entries = new Map<string, Entry>();
  for (const id of storedNames(folder, "The images", problems)) {
    if (!isV1Id(id) || (!devices.has(id) && !references.has(id))) continue;
    const entry = readEntry(join(folder, id), id, problems);
    if (entry !== undefined) entries.set(id, entry);
  }
  const parents = new Set([...entries.values()].map(({ layer }) => layer.parent));
  for (const [id, names] of references) {
    if (!entries.has(id)) problems.push(`Image ${names.join(", ")} (${id}): its configuration is missing or damaged`);
  }
  return [...entries.keys()].map((id) => {
    const names = references.get(id) ?? [];
    const what = names.length === 0 ? `Image ${id}` : `Image ${names.join(", ")} (${id})`;
    return imageOf(
      id,
      names,
      entries,
      namesByImage !== undefined && names.length === 0 && parents.has(id),
      what,
      problems,
    );
  });
}

/** IDs that are no digests, written without "sha256:". */
export function isV1Id(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function readEntry(folder: string, id: string, problems: Problems): Entry | undefined {
  const what = `Image ${id}`;
  const json = readStoredJson(join(folder, "json"), schema, what, problems);
  if (json === undefined) {
    if (!existsSync(join(folder, "json"))) problems.push(`${what}: '${join(folder, "json")}' is missing`);
    return undefined;
  }
  // Docker 1.9 wrote the parent by its digest, and the ID that devices are named by into a file of its own.
  const parentFile = readStoredText(join(folder, "parent"), what, problems)?.trim();
  const parent = [parentFile, json.parent, json.parent_id?.replace(/^sha256:/, "")].find(
    (each) => each !== undefined && each !== null && each !== "",
  );
  const size = readStoredText(join(folder, "layersize"), what, problems)?.trim();
  const tarRecord = join(folder, "tar-data.json.gz");
  return {
    image: { id, json },
    layer: {
      key: id,
      diffId: undefined,
      parent: parent ?? undefined,
      device: id,
      contentBytes: size !== undefined && /^\d{1,15}$/.test(size) ? Number(size) : undefined,
      tarRecord: existsSync(tarRecord) ? tarRecord : undefined,
    },
  };
}

function imageOf(
  id: string,
  references: string[],
  entries: ReadonlyMap<string, Entry>,
  intermediate: boolean,
  what: string,
  problems: Problems,
): StoredImage {
  const chain: Entry[] = [];
  let broken: string | undefined;
  for (let next: string | undefined = id; next !== undefined;) {
    const entry = entries.get(next);
    if (entry === undefined || chain.includes(entry)) {
      broken = entry === undefined ? `its layer ${next} is missing or damaged` : "its parents go round in a circle";
      break;
    }
    chain.unshift(entry);
    next = entry.layer.parent;
  }
  if (broken !== undefined) problems.push(`${what}: ${broken}`);
  const { json } = entries.get(id)!.image;
  const text = (key: string): string | undefined => (typeof json[key] === "string" ? json[key] : undefined);
  return {
    id,
    references,
    intermediate,
    created: text("created"),
    architecture: text("architecture"),
    os: text("os"),
    layers: chain.map(({ layer }) => layer),
    broken,
    source: { kind: "v1", chain: chain.map(({ image }) => image) },
  };
}
