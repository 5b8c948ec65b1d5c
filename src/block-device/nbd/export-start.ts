import type { DeviceUse } from "./exported-device.ts";

/** What an export's processes are told: their only argument, as JSON. The folder and the device come first: they are known by them. */
export interface ExportStart extends DeviceUse {
  /** The folder of running exports. */
  folder: string;
  /** The device's name in the device mapper. */
  device: string;
  blockDevice: string;
  /** Absolute path of the socket. */
  socket: string;
  /** The export's name. */
  name: string;
  /** The pool's block size. */
  blockSizeBytes: number;
}
