import * as v from "valibot";
import { maxDeviceId } from "./device-metadata.ts";

/**
 * What `metadata/transaction-metadata` holds: the change that was begun last. It is complete when the pool's transaction id
 * has reached `openTransactionId`.
 */
export interface TransactionMetadata {
  openTransactionId: number;
  /** The device that is being made or deleted; Docker's "" is the base device. */
  deviceHash: string;
  deviceId: number;
}

export const transactionMetadataSchema = v.pipe(
  v.object({
    open_transaction_id: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    device_hash: v.string(),
    device_id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxDeviceId)),
  }),
  v.transform((file): TransactionMetadata => ({
    openTransactionId: file.open_transaction_id,
    deviceHash: file.device_hash,
    deviceId: file.device_id,
  })),
);

/** The form to write, keys in Docker's order. */
export function transactionMetadataToJson(open: TransactionMetadata): v.InferInput<typeof transactionMetadataSchema> {
  return {
    open_transaction_id: open.openTransactionId,
    device_hash: open.deviceHash,
    device_id: open.deviceId,
  };
}
