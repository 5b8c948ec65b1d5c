import * as v from "valibot";
import { cleanEntryPath } from "../../layer/entry-path.ts";
import { isDigest, sha256 } from "../digest.ts";
import { parseImageConfig, parseJson } from "../image-config.ts";
import { parseReference } from "../reference.ts";
import { StoreError } from "../store-error.ts";
import type { ImageSource, SourceLayer } from "./image-source.ts";
import { missing, readSmall, type SourceFiles } from "./source-files.ts";

const MAX_MANIFEST_BYTES = 4 << 20;
const MAX_CONFIG_BYTES = 16 << 20;

const manifestSchema = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.nullish(v.array(v.string())),
  }),
);

/** Whether a source is what `docker save` writes since Docker 1.10: a manifest.json that lists images. */
export async function isDockerArchive(files: SourceFiles): Promise<boolean> {
  const file = files.file("manifest.json");
  if (file === undefined || file.sizeBytes > MAX_MANIFEST_BYTES) return false;
  const text = (await readSmall(files, "manifest.json", MAX_MANIFEST_BYTES)).toString("utf8");
  // A root file system may have a manifest.json of its own; one that is a list of images, however damaged, is meant so.
  return text.trimStart().startsWith("[") && /"(?:Config|Layers)"\s*:/.test(text);
}

/** Whether a source is what `docker save` wrote before Docker 1.10, which has neither digests nor configurations. */
export function isLegacyDockerArchive(files: SourceFiles): boolean {
  return (
    files.file("repositories") !== undefined &&
    files.topNames().some((name) => /^[0-9a-f]{64}$/.test(name) && files.file(`${name}/layer.tar`) !== undefined)
  );
}

/**
 * Opens the image in a `docker save` archive: the only one, or the one that has one of these names.
 *
 * @param wanted.exactly a name that it must have, or "@0" for the first, "@1" for the second
 * @throws StoreError naming what is damaged or missing, or what there is to choose from
 */
export async function openDockerArchive(
  files: SourceFiles,
  wanted: { names: readonly string[]; exactly: string | undefined },
): Promise<ImageSource> {
  const what = `manifest.json of ${files.label}`;
  const images = parseJson(await readSmall(files, "manifest.json", MAX_MANIFEST_BYTES), manifestSchema, what);
  if (images.length === 0) throw new StoreError("invalid", `Cannot import ${files.label}: there is no image in it`);
  const image = chooseImage(images, wanted, files.label);
  const configBytes = await readSmall(files, cleanName(files, image.Config), MAX_CONFIG_BYTES);
  const named = /(?:^|\/|sha256:)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (named !== undefined && sha256(configBytes) !== `sha256:${named}`) {
    throw new StoreError(
      "damaged",
      `Cannot import ${files.label}: configuration ${image.Config} does not have that digest`,
    );
  }
  const parsed = parseImageConfig(configBytes, `configuration ${image.Config} of ${files.label}`);
  const layers = image.Layers ?? [];
  if (parsed.diffIds.length !== layers.length) {
    throw new StoreError(
      "damaged",
      `Cannot import ${files.label}: its manifest lists ${layers.length} layers, its configuration ${parsed.diffIds.length}`,
    );
  }
  return {
    kind: "docker-archive",
    label: files.label,
    config: { bytes: configBytes, parsed },
    manifestDigest: undefined,
    layers: layers.map((name, position) => layerAt(files, cleanName(files, name), parsed.diffIds[position])),
    close: () => undefined,
  };
}

type ArchiveEntry = v.InferOutput<typeof manifestSchema>[number];

function chooseImage(
  images: ArchiveEntry[],
  { names, exactly }: { names: readonly string[]; exactly: string | undefined },
  label: string,
): ArchiveEntry {
  const offered = images.map(({ RepoTags, Config }) => RepoTags?.[0] ?? Config).join(", ");
  if (exactly === undefined) {
    const image =
      images.length === 1 ? images[0] : images.find(({ RepoTags }) => RepoTags?.some((tag) => names.includes(tag)));
    if (image !== undefined) return image;
    throw new StoreError(
      "ambiguous",
      `Cannot import ${label}: it holds several images (${offered}). Import it under the name of one of them`,
    );
  }
  const position = /^@(\d{1,9})$/.exec(exactly)?.[1];
  const image =
    position === undefined
      ? images.find(({ RepoTags }) => RepoTags?.some((tag) => shortName(tag) === shortName(exactly)))
      : images.at(Number(position));
  if (image !== undefined) return image;
  throw new StoreError("not-found", `Cannot import ${label}: there is no ${exactly} in it, only ${offered}`);
}

/** Some programs name images in full, others in Docker's short form. */
function shortName(name: string): string {
  try {
    return parseReference(name).text;
  } catch {
    return name;
  }
}

function layerAt(files: SourceFiles, name: string, diffId: string): SourceLayer {
  const file = files.file(name);
  if (file === undefined) throw missing(files, name);
  const blob = /^blobs\/(sha256)\/([0-9a-f]{64})$/.exec(name);
  const digest = blob === null ? undefined : `${blob[1]}:${blob[2]}`;
  return {
    digest: digest !== undefined && isDigest(digest) ? digest : undefined,
    diffId,
    sizeBytes: file.sizeBytes,
    repeatable: true,
    open: () => file.open(),
  };
}

function cleanName(files: SourceFiles, name: string): string {
  const clean = cleanEntryPath(name);
  if (clean === undefined) throw new StoreError("damaged", `Cannot import ${files.label}: '${name}' leads out of it`);
  return clean;
}
