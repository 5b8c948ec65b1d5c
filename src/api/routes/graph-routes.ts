import { release } from "node:os";
import * as v from "valibot";
import { json, read, type Route } from "../call.ts";
import { flag, growthSize, text } from "../fields.ts";

const checkQuery = v.strictObject({
  of: v.exactOptional(v.picklist(["devices", "images"], 'it has to be "devices" or "images"')),
});
const growBody = v.strictObject({ data: v.exactOptional(growthSize), metadata: v.exactOptional(growthSize) });
const autogrowBody = v.strictObject({
  enabled: v.exactOptional(flag),
  threshold: v.exactOptional(text),
  step: v.exactOptional(text),
  ceiling: v.exactOptional(text),
  metadataThreshold: v.exactOptional(text),
  metadataStep: v.exactOptional(text),
  metadataCeiling: v.exactOptional(text),
});

/** Calls on the graph as a whole. @param version Mica's */
export function graphRoutes(version: string): Route[] {
  return [
    json("GET", "/v1/version", ({ devices: { root, poolName, deviceMapper } }) =>
      Promise.resolve({
        mica: version,
        node: process.version,
        kernel: release(),
        pid: process.pid,
        root,
        pool: poolName,
        deviceMapper,
      }),
    ),
    json("GET", "/v1/health", async ({ devices }) => {
      await devices.status(); // fails where the pool does not answer
      return { status: "ok" };
    }),
    json("GET", "/v1/info", async ({ devices }) => Object.fromEntries(await devices.status())),
    json("GET", "/v1/tree", ({ store }) => store.tree()),
    json("POST", "/v1/check", async ({ devices, store }, { query }) => {
      const { of } = read(checkQuery, "query", query);
      return {
        problems: [...(of === "images" ? [] : await devices.check()), ...(of === "devices" ? [] : await store.check())],
      };
    }),
    json("POST", "/v1/pool/grow", ({ devices }, { body }) => {
      const { data, metadata } = read(growBody, "body", body);
      return devices.growPool({
        ...(data !== undefined && { dataBytes: data }),
        ...(metadata !== undefined && { metadataBytes: metadata }),
      });
    }),
    json("GET", "/v1/pool/autogrow", async ({ devices }) => ({ policy: (await devices.autogrow()) ?? null })),
    json("PATCH", "/v1/pool/autogrow", async ({ devices }, { body }) => ({
      policy: await devices.setAutogrow(read(autogrowBody, "body", body)),
    })),
  ];
}
