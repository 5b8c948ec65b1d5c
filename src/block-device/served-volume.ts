/** What `read`, `write` … of a served volume answer when the request must wait and be tried again. */
export const NOT_NOW = 1;

/** What the FUSE server needs of a volume. A result that is not 0 or negative is `NOT_NOW`. */
export type { Target as ServedVolume } from "../mapping/target.ts";
