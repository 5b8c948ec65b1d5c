import { DeviceWriter } from "./device-writer.ts";
import type { StreamPosition } from "./stream/stream-position.ts";
import type { StreamReader } from "./stream/stream-reader.ts";
import type { OnTransferProgress, TransferContext } from "./transfer-context.ts";

/** How often a place is made durable: what is received again after the machine, or the receiver, was ended. */
const checkpointMs = 10_000;
const checkpointBytes = 1 << 30;

/** What to tell on the way. */
export interface FillOptions {
  progress?: OnTransferProgress | undefined;
  /** A place up to which everything is on the disk; told now and then, and when the stream breaks off. */
  reached?: (position: StreamPosition) => void;
}

/**
 * Writes a stream's records to a device, which is blank or a snapshot of their base. All of it is on the disk when it resolves, and the device is not
 * active any more.
 */
export async function fillDevice(
  { devices }: Pick<TransferContext, "devices">,
  reader: StreamReader,
  device: string,
  options: FillOptions,
): Promise<StreamPosition> {
  const path = await devices.activate(device);
  try {
    const writer = new DeviceWriter(path, reader.header.from === undefined ? "blank" : "a base's");
    try {
      return await copy(reader, writer, options);
    } finally {
      await writer.close();
    }
  } finally {
    await devices.deactivate(device, { whenBusy: "retry" });
  }
}

async function copy(reader: StreamReader, writer: DeviceWriter, options: FillOptions): Promise<StreamPosition> {
  const { progress, reached } = options;
  const done = ({ dataBytes, zeroBytes }: StreamPosition): number => dataBytes + zeroBytes;
  let position = reader.position;
  const totalBytes = (reader.header.start === undefined ? 0 : done(position)) + reader.header.changedBytes;
  const keep = async (): Promise<void> => {
    await writer.sync();
    if (position.records > 0) reached?.(position);
  };
  let [kept, keptAt] = [done(position), Date.now()];
  try {
    for await (const record of reader.records(writer.buffers)) {
      await writer.write(record);
      position = record.after;
      progress?.(done(position), totalBytes);
      if (reached === undefined) continue;
      if (done(position) - kept < checkpointBytes && Date.now() - keptAt < checkpointMs) continue;
      await keep();
      [kept, keptAt] = [done(position), Date.now()];
    }
    await keep();
    return position;
  } catch (error) {
    await keep().catch(() => undefined); // then it is kept as far as before
    throw error;
  }
}
