import { humanSize } from "../graph/options/size.ts";
import { PendingReceives, type ReceiveRecord } from "./pending-receives.ts";
import { formatResumeToken } from "./resume-token.ts";
import type { TransferContext } from "./transfer-context.ts";
import { TransferError } from "./transfer-error.ts";

/** A receive of a snapshot that broke off, as `pendingReceives` lists it. */
export interface PendingReceive {
  /** The snapshot's identity. */
  snapshot: string;
  /** What the container is to be called. */
  name: string;
  /** Identity of the snapshot that it is an increment on. */
  from: string | undefined;
  /** Size of the device. */
  sizeBytes: number;
  /** Everything below it was received. */
  offsetBytes: number;
  /** RFC 3339. */
  began: string;
  /** The graph's name of its device. */
  device: string;
  /** For the sender: see `SendOptions.resume`. undefined: nothing is here yet, or another process is at it from the beginning. */
  resume: string | undefined;
}

/** All receives that are not complete: broken off, or under way. */
export function pendingReceives(root: string): PendingReceive[] {
  return new PendingReceives(root).list().map(describe);
}

/**
 * Throws away what was received of a snapshot.
 *
 * @param which the name it was to have, the beginning of its identity, or its token
 * @throws TransferError not-found, in-use
 */
export async function discardReceive(context: TransferContext, which: string): Promise<PendingReceive> {
  const receives = new PendingReceives(context.devices.root);
  const matching = receives.list().filter((record) => {
    const { name, snapshot, resume } = describe(record);
    return name === which || resume === which || (/^[0-9a-f]{4,}$/.test(which) && snapshot.startsWith(which));
  });
  const [record] = matching as [ReceiveRecord | undefined];
  if (record === undefined || matching.length > 1) {
    const why =
      record === undefined ? "there is none of that name or identity" : "there are several: give its identity";
    throw new TransferError(
      "not-found",
      `Cannot throw away the receive '${which}': ${why}. \`mica receive --pending\` lists them`,
    );
  }
  const { to } = record.header;
  await receives.alone(to, async () => {
    if ((await settleReceive(context, receives, to)) !== undefined) await remove(context, receives, record);
  });
  return describe(record);
}

/**
 * The record of a receive that can go on; what is of no use is put right: a record whose device became a container's or is gone, a device of which
 * nothing durable is known. Only for who is `alone` with it.
 */
export async function settleReceive(
  context: TransferContext,
  receives: PendingReceives,
  identity: string,
): Promise<ReceiveRecord | undefined> {
  const record = receives.find(identity);
  if (record === undefined) return undefined;
  const isClaimed = context.files.container(record.device) !== undefined;
  if (!isClaimed && record.position !== undefined && (await context.devices.exists(record.device))) return record;
  if (isClaimed) receives.forget(identity);
  else await remove(context, receives, record);
  return undefined;
}

/** What to throw of a receive that broke off: the error, saying how to go on. Only for who is `alone` with it. */
export async function interrupted(
  context: TransferContext,
  receives: PendingReceives,
  identity: string,
  error: unknown,
): Promise<unknown> {
  const record = await settleReceive(context, receives, identity);
  if (record === undefined || !(error instanceof Error)) return error;
  const { resume, name, offsetBytes, sizeBytes } = describe(record);
  error.message +=
    `. It is kept up to byte ${offsetBytes} (of ${humanSize(sizeBytes)}): \`mica send --resume ${resume}\` goes on, ` +
    `\`mica receive --discard ${name}\` throws it away`;
  return error;
}

async function remove({ devices }: TransferContext, receives: PendingReceives, record: ReceiveRecord): Promise<void> {
  await devices.remove(record.device);
  receives.forget(record.header.to);
}

function describe({ header, name, device, began, position }: ReceiveRecord): PendingReceive {
  const { to, from, sizeBytes } = header;
  const resume = position && formatResumeToken({ to, from: from?.snapshot, position });
  const offsetBytes = position?.offsetBytes ?? 0;
  return { snapshot: to, name, from: from?.snapshot, sizeBytes, offsetBytes, began, device, resume };
}
