import * as v from "valibot";
import { json, read, tar, type Route } from "../call.ts";
import { size, text } from "../fields.ts";

const createBody = v.strictObject({ image: text, name: v.exactOptional(text), size: v.exactOptional(size) });
const snapshotBody = v.strictObject({ name: text });
const commitBody = v.strictObject({ name: text });
const containers = "/v1/containers";
const container = `${containers}/:container`;

/** Calls on containers, which go by name, ID or the start of an ID. */
export const containerRoutes: Route[] = [
  json("GET", containers, ({ store }) => store.containers()),
  json("POST", containers, ({ store }, { body }) => {
    const { image, name, size: sizeBytes } = read(createBody, "body", body);
    return store.create(image, { name, sizeBytes });
  }),
  json("GET", container, ({ store }, { path }) => store.container(path["container"])),
  json("DELETE", container, async ({ store }, { path }) => {
    await store.removeContainer(path["container"]);
    return {};
  }),
  json("POST", `${container}/snapshot`, ({ store }, { path, body }) =>
    store.snapshot(path["container"], read(snapshotBody, "body", body).name),
  ),
  json("POST", `${container}/mount`, async ({ store }, { path }) => ({ path: await store.mount(path["container"]) })),
  json("POST", `${container}/umount`, async ({ store }, { path }) => {
    await store.umount(path["container"]);
    return {};
  }),
  json("GET", `${container}/diff`, ({ store }, { path }) => store.diff(path["container"])),
  json("POST", `${container}/commit`, ({ store }, { path, body, signal }) =>
    store.commit(path["container"], read(commitBody, "body", body).name, { signal }),
  ),
  tar(`${container}/archive`, ({ store }, { path, signal }, target) =>
    store.export(path["container"], target, { signal }),
  ),
];
