/** A way to get a block device, or one by NBD: what the rows of the block-device tables are measured on. */
export interface Stack {
  /** Column heading. */
  readonly name: string;
  /** A fresh device, all of it unprovisioned. */
  empty(): Promise<StackDevice>;
  /** A device of which the first `span` bytes are provisioned. */
  filled(span: string): Promise<StackDevice>;
  /** A device that shares the first `span` bytes with a parent, none of them its own yet. */
  snapshot(span: string): Promise<StackDevice>;
  /** Frees what the stack itself holds. */
  close(): Promise<void>;
}

/** One device of a stack. */
export interface StackDevice {
  /** Block device path, or an NBD export's address. */
  readonly path: string;
  /** Detaches and deletes it. */
  close(): Promise<void>;
}

/** Virtual size of every device measured, in bytes. */
export const DEVICE_BYTES = 2 * 2 ** 30;
