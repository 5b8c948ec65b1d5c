/** How an entry differs from the layer below: added, changed or deleted. The letters are `docker diff`'s. */
export type ChangeKind = "A" | "C" | "D";

/** One difference between a root file system and the one below it. */
export interface Change {
  kind: ChangeKind;
  /** Absolute within the root, such as "/etc/hosts". Bytes that are not UTF-8 show as U+FFFD. */
  path: string;
}
