import type { DeviceDriverData, DeviceStatus, DeviceUsage, GraphBlockLocation } from "./device-reports.ts";
import type { DeviceRecord } from "./device-record.ts";
import type { StorageOptions } from "./storage-options.ts";

/* eslint-disable */
export class DeviceSet {
  declare readonly root: string;
  declare readonly options: StorageOptions;
  declare readonly poolName: string;
  create(_id: string, _parent?: string, _options?: { sizeBytes?: number }): Promise<void> {
    throw new Error("not yet");
  }
  remove(_id: string): Promise<void> {
    throw new Error("not yet");
  }
  exists(_id: string): Promise<boolean> {
    throw new Error("not yet");
  }
  get(_id: string, _options?: { mountLabel?: string }): Promise<string> {
    throw new Error("not yet");
  }
  put(_id: string): Promise<void> {
    throw new Error("not yet");
  }
  status(): Promise<[string, string][]> {
    throw new Error("not yet");
  }
  metadata(_id: string): Promise<DeviceDriverData> {
    throw new Error("not yet");
  }
  device(_id: string): Promise<DeviceRecord | undefined> {
    throw new Error("not yet");
  }
  devices(): Promise<DeviceRecord[]> {
    throw new Error("not yet");
  }
  deviceStatus(_id: string): Promise<DeviceStatus> {
    throw new Error("not yet");
  }
  usage(): Promise<DeviceUsage[]> {
    throw new Error("not yet");
  }
  locateBlock(_id: string, _block: number): Promise<GraphBlockLocation> {
    throw new Error("not yet");
  }
  check(): Promise<string[]> {
    throw new Error("not yet");
  }
  activate(_id: string): Promise<string> {
    throw new Error("not yet");
  }
  deactivate(_id: string): Promise<void> {
    throw new Error("not yet");
  }
  shutdown(): Promise<void> {
    throw new Error("not yet");
  }
  close(): Promise<void> {
    throw new Error("not yet");
  }
}
