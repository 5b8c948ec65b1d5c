import * as v from "valibot";

/** As the first part of an image's name: with a dot or a port, or localhost. */
const host = /^(?=.*[.:]|localhost$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/;
const mirror = /^(?:https?:\/\/)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:\/[A-Za-z0-9._/-]*)?$/;

/** A table of `[registries."HOST"]`. */
export const registrySchema = v.strictObject({
  mirrors: v.exactOptional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.regex(mirror, "a mirror is a host, a host with a port, or an https:// or http:// address"),
        ),
        'it has to be a list of texts, such as ["mirror.example:5000"]',
      ),
      v.description("asked before the registry, in this order, when an image is pulled: hosts, or `https://HOST/PATH`"),
    ),
  ),
  insecure: v.exactOptional(
    v.pipe(
      v.boolean("it has to be true or false"),
      v.description("take any certificate, and plain HTTP where it does not speak TLS (default: `false`)"),
    ),
  ),
  ca: v.exactOptional(
    v.pipe(
      v.string(),
      v.startsWith("/", "it has to be an absolute path"),
      v.description("file with certificates (PEM) to trust besides the machine's"),
    ),
  ),
});

/** The tables below `[registries]`, by registry: "docker.io", "host:5000". */
export const registriesSchema = v.record(
  v.pipe(v.string(), v.regex(host, 'a registry is a host such as "docker.io" or "host:5000", in quotes')),
  registrySchema,
);

/** How one registry is to be spoken with. */
export interface RegistrySettings {
  /** Asked before it, in this order, when an image is pulled: "mirror.example:5000", "https://host/path". */
  mirrors?: string[];
  /** Take any certificate, and plain HTTP where it does not speak TLS. */
  insecure?: boolean;
  /** File with certificates (PEM) to trust besides the machine's. */
  ca?: string;
}

/** By registry: "docker.io", "host:5000". */
export type RegistriesSettings = Record<string, RegistrySettings>;
