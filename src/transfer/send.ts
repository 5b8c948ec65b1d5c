import { randomBytes } from "node:crypto";
import type { Writable } from "node:stream";
import { findContainer } from "../image/find-container.ts";
import type { ContainerRecord } from "../image/records.ts";
import { withTemporarySnapshot } from "../image/temporary-snapshot.ts";
import { type Compression, type Difference, measureChanges, readChanges } from "./read-changes.ts";
import { parseResumeToken } from "./resume-token.ts";
import type { StreamHeader } from "./stream/stream-header.ts";
import type { StreamPosition } from "./stream/stream-position.ts";
import { StreamWriter } from "./stream/stream-writer.ts";
import type { OnTransferProgress, TransferContext } from "./transfer-context.ts";
import { TransferError } from "./transfer-error.ts";

/** How to send. */
export interface SendOptions {
  /** A snapshot that the receiver has: only what differs from it is sent. */
  from?: string | undefined;
  /** What `pendingReceives` tells of a receive that broke off: the stream goes on there. Then it says itself what is sent, and from what. */
  resume?: string | undefined;
  /** Default "none". */
  compression?: Compression | undefined;
  signal?: AbortSignal | undefined;
  progress?: OnTransferProgress | undefined;
}

/** What was sent. */
export interface SentStream {
  container: string;
  /** The snapshot's identity; undefined for a container that is none. */
  snapshot: string | undefined;
  /** Identity of the snapshot that it is an increment on. */
  from: string | undefined;
  /** Length of the stream. */
  streamBytes: number;
  /** Bytes of the device that it holds, those before a break too. */
  dataBytes: number;
  /** Bytes of the device that it says are zeroes. */
  zeroBytes: number;
  /** SHA-256 of the stream's records: what the receiver has checked. */
  digest: string;
}

/** What is sent, and from where on. */
interface Plan {
  container: ContainerRecord;
  from: ContainerRecord | undefined;
  start: StreamPosition | undefined;
}

/**
 * Sends a container's device, as it is at this moment: it may be mounted. Of a snapshot, a stream that broke off can go on. Ends the output; on
 * failure that is destroyed.
 *
 * @param container by name or ID; undefined when a stream goes on
 * @throws TransferError, StoreError not-found
 */
export async function sendContainer(
  context: TransferContext,
  container: string | undefined,
  output: Writable,
  options: SendOptions = {},
): Promise<SentStream> {
  const { signal } = options;
  signal?.throwIfAborted();
  // It may come before anything is written, while nobody listens to the output: what sends finds it aborted.
  const stop = (): void => void output.once("error", () => undefined).destroy(signal?.reason as Error);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const plan = planOf(context, container, options);
    return await withTemporarySnapshot(context, plan.container.device, (device) =>
      sendDevice(context, plan, device, output, options),
    );
  } catch (error) {
    output.destroy();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function planOf({ files }: TransferContext, container: string | undefined, options: SendOptions): Plan {
  if (options.resume === undefined) {
    if (container === undefined) throw new TransferError("invalid", "Cannot send: name a container");
    const from = options.from === undefined ? undefined : findContainer(files, options.from);
    if (from !== undefined && from.snapshot === undefined) {
      const instead = `\`mica snapshot ${from.name} NAME\` makes one; send that first`;
      throw new TransferError("invalid", `Cannot send from container ${from.name}: it is no snapshot. ${instead}`);
    }
    return { container: findContainer(files, container), from, start: undefined };
  }
  const { to, from, position } = parseResumeToken(options.resume);
  const bySnapshot = (identity: string): ContainerRecord => {
    const found = files.containers().find(({ snapshot }) => snapshot === identity);
    if (found !== undefined) return found;
    throw new TransferError(
      "not-found",
      `Cannot resume: the snapshot ${identity.slice(0, 12)} is not here any more. Send another, and throw away what was received with ` +
        "`mica receive --discard`",
    );
  };
  return { container: bySnapshot(to), from: from === undefined ? undefined : bySnapshot(from), start: position };
}

async function sendDevice(
  context: TransferContext,
  plan: Plan,
  device: string,
  output: Writable,
  { compression = "none", progress, signal }: SendOptions,
): Promise<SentStream> {
  const { container, from, start } = plan;
  const { devices } = context;
  const fromBytes = start?.offsetBytes ?? 0;
  const difference: Difference = { devices, device, origin: from?.device, fromBytes };
  const header = await headerOf(context, plan, difference);
  const path = await devices.activate(device);
  try {
    signal?.throwIfAborted();
    const writer = await StreamWriter.begin(output, header);
    const before = (start?.dataBytes ?? 0) + (start?.zeroBytes ?? 0);
    let done = before;
    for await (const range of readChanges(difference, path, compression)) {
      signal?.throwIfAborted();
      if (range.kind === "data") {
        await writer.data(range);
        range.done();
      } else if (from !== undefined) await writer.zeroes(range.offsetBytes, range.lengthBytes); // without a base, all is zeroes that is not sent
      done += range.lengthBytes;
      progress?.(done, before + header.changedBytes);
    }
    await writer.end();
    const { dataBytes, zeroBytes, digest } = writer.position;
    const { name, snapshot } = container;
    return { container: name, snapshot, from: from?.snapshot, streamBytes: writer.bytes, dataBytes, zeroBytes, digest };
  } finally {
    await devices.deactivate(device, { whenBusy: "retry" });
  }
}

async function headerOf(context: TransferContext, plan: Plan, difference: Difference): Promise<StreamHeader> {
  const { container, from, start } = plan;
  const { devices } = context;
  const [size, originSize] = [await devices.device(difference.device), from && (await devices.device(from.device))];
  const sizeBytes = size?.sizeBytes ?? 0;
  if ((originSize?.sizeBytes ?? 0) > sizeBytes) {
    throw new TransferError(
      "invalid",
      `Cannot send container ${container.name} from ${from?.name}: its device is smaller. Send it without --from`,
    );
  }
  const { blockBytes, changedBytes } = await measureChanges(difference);
  const { name, image, imageId, config } = container;
  return {
    sizeBytes,
    blockBytes,
    to: container.snapshot ?? randomBytes(32).toString("hex"),
    snapshot: container.snapshot !== undefined,
    ...(from?.snapshot !== undefined && { from: { snapshot: from.snapshot, name: from.name } }),
    changedBytes,
    ...(start !== undefined && { start }),
    container: { name, image, imageId, ...(config !== undefined && { config }) },
  };
}
