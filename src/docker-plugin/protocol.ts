import * as v from "valibot";
import { checkDeviceId } from "../graph/devices/device-names.ts";

/*
 * Docker's graph driver plugin protocol, as Docker Engine 1.12 to 27 speaks it: JSON in POST requests
 * (docs.docker.com/engine/extend/plugins_graphdriver; field names as its engine writes them).
 */

/** Content type of every answer but a tar's. */
export const pluginContentType = "application/vnd.docker.plugins.v1.1+json";

function checkId(text: string, refuse: (message: string) => void): void {
  try {
    checkDeviceId(text);
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
}

/** A layer's or a container's ID: it becomes a device's name and a path. */
const id = v.pipe(
  v.string("has to be a text"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (dataset.typed) checkId(dataset.value, (message) => addIssue({ message }));
  }),
);

/** Docker leaves it out, or writes "", for "none". */
const optionalId = v.pipe(
  v.nullish(v.string("has to be a text"), ""),
  v.rawCheck(({ dataset, addIssue }) => {
    if (dataset.typed && dataset.value !== "") checkId(dataset.value, (message) => addIssue({ message }));
  }),
  v.transform((text) => (text === "" ? undefined : text)),
);

const optionalText = v.nullish(v.string(), "");

/** Kernel's user numbers: 32 bits, of which the last means "no change". */
const ownerNumber = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xfffffffe));

const ownerRange = v.pipe(
  v.object({ container_id: ownerNumber, host_id: ownerNumber, size: v.pipe(ownerNumber, v.minValue(1)) }),
  v.transform(({ container_id, host_id, size }) => ({ containerId: container_id, hostId: host_id, size })),
);

const ownerRanges = v.nullish(v.pipe(v.array(ownerRange), v.maxLength(1000)), []);

/** What each call may hold. Fields that a call does not know are left out of account. */
export const requests = {
  one: v.object({ ID: id }),
  mount: v.object({ ID: id, MountLabel: optionalText }),
  create: v.object({
    ID: id,
    Parent: optionalId,
    MountLabel: optionalText,
    StorageOpt: v.nullish(v.record(v.string(), v.string()), {}),
  }),
  compare: v.object({ ID: id, Parent: optionalId }),
  /** Of the query, not of the body. */
  apply: v.object({ id, parent: optionalId }),
  init: v.object({
    Home: optionalText,
    Opts: v.nullish(v.array(v.string()), []),
    UIDMaps: ownerRanges,
    GIDMaps: ownerRanges,
  }),
};

export type CreateRequest = v.InferOutput<typeof requests.create>;
export type CompareRequest = v.InferOutput<typeof requests.compare>;
export type InitRequest = v.InferOutput<typeof requests.init>;

/** What Docker asked for cannot be done as asked, or is no such request; the message is for whoever reads Docker's. */
export class RequestError extends Error {
  /** Of HTTP. */
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = "RequestError";
    this.statusCode = statusCode;
  }
}

/** Reads a request. @throws RequestError 400, naming the field */
export function readRequest<T>(schema: v.GenericSchema<unknown, T>, call: string, value: unknown): T {
  requireBody(call, value);
  const result = v.safeParse(schema, value ?? {});
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new RequestError(
    400,
    `Cannot read the request ${call}: ${v.getDotPath(issue) ?? "its body"}: ${issue.message}`,
  );
}

/**
 * Docker repeats a request for half a minute when its connection breaks, but has no body for it any more if that was sent before
 * (moby, pkg/plugins/client.go: one reader for all tries).
 *
 * @throws RequestError 400
 */
export function requireBody(call: string, value: unknown): void {
  if (value !== undefined) return;
  throw new RequestError(
    400,
    `Cannot read the request ${call}: it has no body. So Docker repeats what it had sent to a daemon that died before it answered: ` +
      "run the command again",
  );
}
