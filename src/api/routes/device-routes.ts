import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { json, read, type Call, type Route } from "../call.ts";
import { flag, path as absolutePath, size, text } from "../fields.ts";

const createBody = v.strictObject({ id: text, parent: v.exactOptional(text), size: v.exactOptional(size) });
const mountBody = v.strictObject({ mountLabel: v.exactOptional(v.string()), readOnly: v.exactOptional(flag) });
const exportBody = v.strictObject({
  socket: absolutePath,
  access: v.exactOptional(v.picklist(["read-write", "read-only"], 'it has to be "read-write" or "read-only"')),
  claim: v.exactOptional(v.picklist(["exclusive", "shared"], 'it has to be "exclusive" or "shared"')),
  name: v.exactOptional(text),
});
const detachBody = v.strictObject({
  whenBusy: v.exactOptional(v.picklist(["defer", "retry", "fail"], 'it has to be "defer", "retry" or "fail"')),
});
const devices = "/v1/devices";
const device = `${devices}/:device`;

/** Calls on thin devices, which go by the graph's names for them. */
export const deviceRoutes: Route[] = [
  json("GET", devices, (graph) => graph.devices.devices()),
  json("POST", devices, async (graph, { body }) => {
    const { id, parent, size: sizeBytes } = read(createBody, "body", body);
    await graph.devices.create(id, parent, sizeBytes === undefined ? {} : { sizeBytes });
    return { id };
  }),
  json("GET", device, async (graph, call) => {
    const found = await graph.devices.device(idOf(call));
    if (found !== undefined) return found;
    throw new ApiError(404, { code: "ENOENT", message: `Cannot find device ${idOf(call)} in '${graph.devices.root}'` });
  }),
  json("DELETE", device, async (graph, call) => done(graph.devices.remove(idOf(call)))),
  json("GET", `${device}/status`, (graph, call) => graph.devices.deviceStatus(idOf(call))),
  json("GET", `${device}/metadata`, (graph, call) => graph.devices.metadata(idOf(call))),
  json("GET", `${device}/blocks/:block`, (graph, call) => graph.devices.locateBlock(idOf(call), blockOf(call))),
  json("POST", `${device}/mount`, async (graph, call) => ({
    path: await graph.devices.get(idOf(call), read(mountBody, "body", call.body)),
  })),
  json("POST", `${device}/umount`, async (graph, call) => done(graph.devices.put(idOf(call)))),
  json("POST", `${device}/attach`, async (graph, call) => ({ blockDevice: await graph.devices.activate(idOf(call)) })),
  json("POST", `${device}/export`, (graph, call) =>
    graph.devices.export(idOf(call), read(exportBody, "body", call.body)),
  ),
  json("POST", `${device}/detach`, async (graph, call) =>
    done(graph.devices.deactivate(idOf(call), read(detachBody, "body", call.body))),
  ),
  json("GET", "/v1/usage", (graph) => graph.devices.usage()),
];

function idOf({ path }: Call): string {
  return path["device"];
}

function blockOf({ path }: Call): number {
  const block = Number(path["block"]);
  if (/^\d+$/.test(path["block"]) && Number.isSafeInteger(block)) return block;
  const message = `Cannot read the block's number '${path["block"]}': it counts from 0`;
  throw new ApiError(400, { code: "invalid-request", message });
}

async function done(work: Promise<void>): Promise<object> {
  await work;
  return {};
}
