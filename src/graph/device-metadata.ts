/** What `metadata/<hash>` holds of one device (JSON: device_id, size, transaction_id, initialized, deleted). */
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
