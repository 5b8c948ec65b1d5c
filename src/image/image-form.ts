import { resolve } from "node:path";
import { StoreError } from "./store-error.ts";

/** Where an image is, in skopeo's words. */
export type ImageForm =
  /** Of a registry: `docker://REFERENCE`. */
  | { kind: "docker"; reference: string }
  /** A folder, or a tar, that is an OCI image layout; of the images in it, the one of this name. */
  | { kind: "oci" | "oci-archive"; path: string; name: string | undefined }
  /** What `docker save` writes; of the images in it, the one of this name, or `@0` the first. */
  | { kind: "docker-archive"; path: string; name: string | undefined };

/** A form that names files. */
export type FileForm = Exclude<ImageForm, { kind: "docker" }>;

const FORMS = "docker://REFERENCE, oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REFERENCE]";
/** Forms of skopeo's that are not here. */
const UNKNOWN = /^(?:dir|docker-daemon|containers-storage|ostree|sif|tarball):/;

/**
 * Reads a form. A path that looks like one can be written with ./ before it.
 *
 * @param doing "import": what cannot be done, in messages
 * @returns undefined for what has no form: a path, or a plain name
 * @throws StoreError invalid
 */
export function parseImageForm(text: string, doing: string): ImageForm | undefined {
  const refuse = (why: string): StoreError =>
    new StoreError("invalid", `Cannot ${doing} '${text}': ${why}. The forms are ${FORMS}`);
  const unknown = UNKNOWN.exec(text)?.[0];
  if (unknown !== undefined) throw refuse(`'${unknown}' is not known here`);
  if (text.startsWith("docker://")) {
    const reference = text.slice("docker://".length);
    if (reference === "") throw refuse("it names no image");
    return { kind: "docker", reference };
  }
  const match = /^(oci|oci-archive|docker-archive):([^:]*)(?::(.+)?)?$/.exec(text);
  if (match === null) return undefined;
  const [, kind, path] = match;
  if (path === "") throw refuse("it names no file");
  return { kind: kind as FileForm["kind"], path, name: match.at(3) };
}

/** Writes a form whose path is absolute, so that it means the same wherever it is read. */
export function absoluteForm({ kind, path, name }: FileForm): string {
  return `${kind}:${resolve(path)}${name === undefined ? "" : `:${name}`}`;
}

/** What `save` takes: a path, or a form of files. @returns undefined for a path alone */
export function saveForm(target: string): FileForm | undefined {
  const form = parseImageForm(target, "save to");
  if (form?.kind !== "docker") return form;
  throw new StoreError("invalid", `Cannot save to '${target}': it is a registry's. \`mica push\` is for those`);
}

/** What `pull` and `push` take: a name, or docker:// and a name. */
export function registryReference(text: string, doing: "pull" | "push to"): string {
  const form = parseImageForm(text, doing);
  if (form === undefined) return text;
  if (form.kind === "docker") return form.reference;
  throw new StoreError(
    "invalid",
    `Cannot ${doing} '${text}': it names files. \`mica ${doing === "pull" ? "import" : "save"}\` is for those`,
  );
}
