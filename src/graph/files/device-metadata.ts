import * as v from "valibot";

/** What `metadata/<hash>` holds of one device. */
export interface DeviceMetadata {
  /** 24-bit id in the pool. */
  deviceId: number;
  sizeBytes: number;
  /** The pool's transaction in which it was made. */
  transactionId: number;
  /** Base device: its file system was made. */
  initialized: boolean;
  /** Marked for deferred deletion. */
  deleted: boolean;
}

/** Largest id of a thin device: 24 bits. */
export const maxDeviceId = 0xffffff;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The file's own form; the oldest Docker versions wrote no `deleted`. */
export const deviceMetadataSchema = v.pipe(
  v.object({
    device_id: v.pipe(count, v.maxValue(maxDeviceId)),
    size: count,
    transaction_id: count,
    initialized: v.boolean(),
    deleted: v.optional(v.boolean(), false),
  }),
  v.transform((file): DeviceMetadata => ({
    deviceId: file.device_id,
    sizeBytes: file.size,
    transactionId: file.transaction_id,
    initialized: file.initialized,
    deleted: file.deleted,
  })),
);

/** The form to write, keys in Docker's order. */
export function deviceMetadataToJson(metadata: DeviceMetadata): v.InferInput<typeof deviceMetadataSchema> {
  return {
    device_id: metadata.deviceId,
    size: metadata.sizeBytes,
    transaction_id: metadata.transactionId,
    initialized: metadata.initialized,
    deleted: metadata.deleted,
  };
}
