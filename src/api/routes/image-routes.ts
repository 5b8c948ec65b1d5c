import * as v from "valibot";
import { registriesSchema } from "../../graph/options/registries-table.ts";
import { findDockerCredentials } from "../../registry/credentials/docker-credentials.ts";
import type { FindCredentials } from "../../registry/credentials/credentials.ts";
import { json, read, tar, upload, type Call, type Route } from "../call.ts";
import { flag, place, text } from "../fields.ts";

const importBody = v.strictObject({ name: text, path: place, platform: v.exactOptional(text) });
const uploadQuery = v.strictObject({ name: text, platform: v.exactOptional(text) });

const credentials = v.union(
  [v.strictObject({ username: text, password: text }), v.strictObject({ identityToken: text })],
  "it has to have username and password, or identityToken",
);
const registryFields = {
  insecure: v.exactOptional(flag),
  /** By registry; those that are left out are looked for where the daemon's user keeps them. */
  credentials: v.exactOptional(v.record(text, credentials)),
  /** As the configuration's [registries]. */
  registries: v.exactOptional(registriesSchema),
};
const pullBody = v.strictObject({
  reference: text,
  name: v.exactOptional(text),
  platform: v.exactOptional(text),
  ...registryFields,
});
const pushBody = v.strictObject({
  reference: v.exactOptional(text),
  format: v.exactOptional(v.picklist(["oci", "v2s2"], 'it has to be "oci" or "v2s2"')),
  ...registryFields,
});

const saveBody = v.strictObject({ path: place });

const images = "/v1/images";
const image = `${images}/:image`;

/** Calls on images, which go by name, ID or the start of an ID. */
export const imageRoutes: Route[] = [
  json("GET", images, ({ store }) => store.images()),
  json("POST", `${images}/import`, ({ store }, { body, signal }, progress) => {
    const { name, path, platform } = read(importBody, "body", body);
    return store.import(name, path, { platform, signal, progress });
  }),
  upload(`${images}/upload`, ({ store }, { query, stream, signal }, progress) => {
    const { name, platform } = read(uploadQuery, "query", query);
    return store.import(name, "-", { platform, stdin: stream, signal, progress });
  }),
  json("POST", `${images}/pull`, ({ store }, { body, signal }, progress) => {
    const { reference, credentials: given, ...rest } = read(pullBody, "body", body);
    return store.pull(reference, { ...rest, credentials: knowing(given), signal, progress });
  }),
  json("GET", image, ({ store }, call) => store.image(nameOf(call))),
  json("DELETE", image, ({ store }, call) => store.removeImage(nameOf(call))),
  json("POST", `${image}/push`, ({ store }, call, progress) => {
    const { reference, credentials: given, ...rest } = read(pushBody, "body", call.body);
    const options = { ...rest, credentials: knowing(given), signal: call.signal, progress };
    return store.push(nameOf(call), reference, options);
  }),
  json("POST", `${image}/save`, async ({ store }, call) => {
    const { path } = read(saveBody, "body", call.body);
    await store.save(nameOf(call), path, { signal: call.signal });
    return { path };
  }),
  tar(`${image}/archive`, ({ store }, call, target) => store.save(nameOf(call), target, { signal: call.signal })),
];

function nameOf({ path }: Call): string {
  return path["image"];
}

/** Those that the client gave, then those of the daemon's user. */
function knowing(given: v.InferOutput<typeof pullBody>["credentials"] = {}): FindCredentials {
  const own = findDockerCredentials();
  return async (registry) => (Object.hasOwn(given, registry) ? given[registry] : own(registry));
}
