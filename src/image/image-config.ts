import * as v from "valibot";
import { isDigest } from "./digest.ts";
import { StoreError } from "./store-error.ts";

const diffId = v.pipe(v.string(), v.check(isDigest, "not a digest"));

const schema = v.looseObject({
  created: v.nullish(v.string()),
  architecture: v.nullish(v.string()),
  os: v.nullish(v.string()),
  variant: v.nullish(v.string()),
  rootfs: v.looseObject({ type: v.literal("layers"), diff_ids: v.nullish(v.array(diffId)) }),
  history: v.nullish(v.array(v.looseObject({ empty_layer: v.nullish(v.boolean()) }))),
});

/** An image's configuration (OCI image-spec, config.md), of which only this is looked at; the rest is kept as it is. */
export interface ImageConfig {
  created: string | undefined;
  architecture: string | undefined;
  os: string | undefined;
  variant: string | undefined;
  diffIds: string[];
  /** All of it, as it was read. */
  raw: Record<string, unknown>;
}

/** Reads a configuration. @throws StoreError damaged, naming `what` and the field */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  const parsed = parseJson(bytes, schema, what);
  return {
    created: parsed.created ?? undefined,
    architecture: parsed.architecture ?? undefined,
    os: parsed.os ?? undefined,
    variant: parsed.variant ?? undefined,
    diffIds: parsed.rootfs.diff_ids ?? [],
    raw: parsed,
  };
}

/** Reads JSON from elsewhere and checks its form. @throws StoreError damaged, naming `what` and the field */
export function parseJson<T>(bytes: Uint8Array, form: v.GenericSchema<unknown, T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (cause) {
    throw new StoreError("damaged", `Cannot use ${what}: it is not JSON`, { cause });
  }
  const result = v.safeParse(form, value);
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new StoreError("damaged", `Cannot use ${what}: ${v.getDotPath(issue) ?? "all of it"}: ${issue.message}`);
}
