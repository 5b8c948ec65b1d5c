import type { DeviceSet } from "../graph/device-set.ts";
import type { ImageContext } from "../image/image-context.ts";

/** What it takes to send and receive: a graph opened by this process. */
export interface TransferContext extends ImageContext {
  devices: DeviceSet;
}

/** Told now and then how far a transfer is: bytes of the device that were done, of those that are to be; what was done before a break counts. */
export type OnTransferProgress = (doneBytes: number, totalBytes: number) => void;
