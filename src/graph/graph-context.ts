import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import type { AutogrowSettings } from "./growth/autogrow-policy.ts";
import type { DeviceNames } from "./devices/device-names.ts";
import type { GraphLocks } from "./locks/graph-locks.ts";
import type { GraphLog } from "./graph-options.ts";
import type { MetadataStore } from "./files/metadata-store.ts";
import type { StorageOptions } from "./options/storage-options.ts";

/** What all parts of an open graph work with. */
export interface GraphContext {
  /** Absolute, without links. */
  readonly root: string;
  readonly options: StorageOptions;
  readonly mapper: DeviceMapper;
  readonly log: GraphLog;
  readonly names: DeviceNames;
  readonly locks: GraphLocks;
  readonly store: MetadataStore;
  /** The pool's name. */
  readonly pool: string;
  /** The pool is nobody else's: what the graph does not know in it is a leftover. */
  readonly exclusivePool: boolean;
  /** How the pool grows by itself, where the graph itself does not say. */
  readonly autogrow: AutogrowSettings;
  readonly deferredRemoval: boolean;
  readonly deferredDeletion: boolean;
}
