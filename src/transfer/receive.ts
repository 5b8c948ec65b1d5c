import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import { requireContainerName, requireFreeName } from "../image/container-name.ts";
import { fillDevice } from "./fill-device.ts";
import { interrupted, settleReceive } from "./interrupted-receive.ts";
import { PendingReceives, type ReceiveRecord } from "./pending-receives.ts";
import type { StreamHeader } from "./stream/stream-header.ts";
import { StreamReader } from "./stream/stream-reader.ts";
import type { OnTransferProgress, TransferContext } from "./transfer-context.ts";
import { TransferError } from "./transfer-error.ts";

/** How to receive. */
export interface ReceiveOptions {
  /** What the container is to be called; default: as at the sender's. */
  name?: string | undefined;
  signal?: AbortSignal | undefined;
  progress?: OnTransferProgress | undefined;
}

/** What was received. */
export interface ReceivedContainer {
  id: string;
  name: string;
  /** The snapshot's identity, the same as at the sender's; undefined for a container that is none. */
  snapshot: string | undefined;
  /** The name its image has at the sender's. */
  image: string;
  imageId: string;
  /** Its image is not here: the device is whole without it, but `diff` and `commit` need it. */
  imageMissing: boolean;
  /** Length of the stream. */
  streamBytes: number;
  /** SHA-256 of the stream's records, as the sender has it. */
  digest: string;
}

/**
 * Makes a container of a stream of `send`: with a device that is that one's byte for byte, and appears when all of it is here. A snapshot that breaks
 * off is kept as far as it came, for a stream that goes on there; anything else that breaks off leaves nothing.
 *
 * @throws TransferError, StoreError exists, invalid (name)
 */
export async function receiveContainer(
  context: TransferContext,
  input: Readable,
  options: ReceiveOptions = {},
): Promise<ReceivedContainer> {
  const reader = await StreamReader.open(input, options.signal);
  try {
    const { to, snapshot } = reader.header;
    const receives = new PendingReceives(context.devices.root);
    const receive = snapshot ? receiveSnapshot : receiveOnce;
    const { id, name, digest } = await receives.alone(to, () => receive({ context, reader, receives, options }));
    const { image, imageId } = reader.header.container;
    return {
      id,
      name,
      snapshot: snapshot ? to : undefined,
      image,
      imageId,
      imageMissing: context.files.imageConfig(imageId) === undefined,
      streamBytes: reader.bytes,
      digest,
    };
  } finally {
    await reader.close();
  }
}

interface Receive {
  context: TransferContext;
  reader: StreamReader;
  receives: PendingReceives;
  options: ReceiveOptions;
}

/** A container as it was received. */
interface Made {
  id: string;
  name: string;
  digest: string;
}

/** A container that is no snapshot: whole, or not at all. */
async function receiveOnce({ context, reader, options }: Receive): Promise<Made> {
  const { header } = reader;
  const name = freeName(context, options.name ?? header.container.name);
  const device = randomBytes(32).toString("hex");
  return context.pending.during({ owner: "container", device }, async (claimed) => {
    await makeDevice(context, header, device);
    const { digest } = await fillDevice(context, reader, device, options);
    await claim(context, header, { device, name });
    claimed();
    return { id: device, name, digest };
  });
}

async function receiveSnapshot({ context, reader, receives, options }: Receive): Promise<Made> {
  const { header } = reader;
  const { devices, files } = context;
  const present = files.containers().find(({ snapshot }) => snapshot === header.to);
  if (present !== undefined) {
    throw new TransferError("exists", `Cannot receive: the snapshot is here already, as container ${present.name}`);
  }
  const record = await recordOf({ context, reader, receives, options });
  const { device, name } = record;
  try {
    const { digest } = await fillDevice(context, reader, device, {
      ...options,
      reached: (position) => receives.write({ ...record, position }),
    });
    await devices.seal(device);
    await claim(context, header, { device, name });
    receives.forget(header.to);
    return { id: device, name, digest };
  } catch (error) {
    throw await interrupted(context, receives, header.to, error);
  }
}

/** The record of what has begun before, where the stream goes on, or of a new device. */
async function recordOf({ context, reader, receives, options }: Receive): Promise<ReceiveRecord> {
  const { header } = reader;
  const begun = await settleReceive(context, receives, header.to);
  if (header.start !== undefined) {
    const record = requireSame(begun, header);
    return { ...record, name: freeName(context, options.name ?? record.name) };
  }
  if (begun !== undefined) {
    const why = new TransferError("exists", "Cannot receive it from the beginning: a receive of it has begun before");
    throw await interrupted(context, receives, header.to, why);
  }
  const name = freeName(context, options.name ?? header.container.name);
  const device = randomBytes(32).toString("hex");
  const record: ReceiveRecord = { header, name, device, began: new Date().toISOString() };
  receives.write(record);
  try {
    await makeDevice(context, header, device);
  } catch (error) {
    receives.forget(header.to);
    throw error;
  }
  return record;
}

function requireSame(begun: ReceiveRecord | undefined, header: StreamHeader): ReceiveRecord {
  const refuse = (why: string): TransferError => new TransferError("invalid", `Cannot go on: ${why}`);
  if (begun?.position === undefined)
    throw refuse("no receive of this snapshot has begun here. Send it from the beginning");
  const { sizeBytes, from } = begun.header;
  if (sizeBytes !== header.sizeBytes || from?.snapshot !== header.from?.snapshot) {
    throw refuse("the stream is of another device, or on another base, than what was received before");
  }
  if (!isDeepStrictEqual(begun.position, header.start)) {
    throw refuse(
      `the stream starts at byte ${header.start?.offsetBytes}, and what was received ends at ${begun.position.offsetBytes}. Use the token ` +
        "that `mica receive --pending` prints now",
    );
  }
  return begun;
}

/** A blank device, or a snapshot of the increment's base. */
async function makeDevice({ devices, files }: TransferContext, header: StreamHeader, device: string): Promise<void> {
  const { from, sizeBytes } = header;
  if (from === undefined) return devices.createBlank(device, sizeBytes);
  const base = files.containers().find(({ snapshot }) => snapshot === from.snapshot);
  const baseBytes = base && (await devices.device(base.device))?.sizeBytes;
  if (base === undefined || baseBytes === undefined) {
    throw new TransferError(
      "wrong-base",
      `Cannot receive: it is an increment on snapshot ${from.name} (${from.snapshot.slice(0, 12)}), which is not here. Receive that first, or ` +
        "send without --from",
    );
  }
  if (baseBytes > sizeBytes) throw new TransferError("wrong-base", `Cannot receive: snapshot ${base.name} is larger`);
  await devices.create(device, base.device, { sizeBytes, contents: "as they are" });
}

/** Makes a container of a device that is whole. */
async function claim(
  { files, locks }: TransferContext,
  header: StreamHeader,
  { device, name }: { device: string; name: string },
): Promise<void> {
  const { image, imageId, config } = header.container;
  await locks.records(() => {
    requireFreeName(files, name);
    files.writeContainer({
      id: device,
      name,
      device,
      imageId,
      image,
      created: new Date().toISOString(),
      ...(config !== undefined && { config }),
      ...(header.snapshot && { snapshot: header.to }),
      received: true,
    });
  });
}

function freeName({ files }: TransferContext, name: string): string {
  requireContainerName(name);
  requireFreeName(files, name);
  return name;
}
