import * as v from "valibot";
import { maxDeviceId } from "./device-metadata.ts";

/** What `metadata/deviceset-metadata` holds of the graph as a whole. */
export interface DeviceSetMetadata {
  /** The device id given out last: the next search for a free one starts behind it. */
  nextDeviceId: number;
  /** UUID of the base device's file system; "" while it is unknown. */
  baseDeviceUuid: string;
  /** "ext4" or "xfs"; "" while it is unknown. */
  baseDeviceFileSystem: string;
}

export const deviceSetMetadataSchema = v.pipe(
  v.object({
    next_device_id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxDeviceId)),
    BaseDeviceUUID: v.optional(v.string(), ""),
    BaseDeviceFilesystem: v.optional(v.string(), ""),
  }),
  v.transform((file): DeviceSetMetadata => ({
    nextDeviceId: file.next_device_id,
    baseDeviceUuid: file.BaseDeviceUUID,
    baseDeviceFileSystem: file.BaseDeviceFilesystem,
  })),
);

/** The form to write, keys in Docker's order. */
export function deviceSetMetadataToJson(metadata: DeviceSetMetadata): v.InferInput<typeof deviceSetMetadataSchema> {
  return {
    next_device_id: metadata.nextDeviceId,
    BaseDeviceUUID: metadata.baseDeviceUuid,
    BaseDeviceFilesystem: metadata.baseDeviceFileSystem,
  };
}
