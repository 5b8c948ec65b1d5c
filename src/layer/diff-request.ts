import type { OwnerMaps } from "./owner-map.ts";

/** What the comparing process is asked, as JSON. */
export interface DiffRequest {
  /** Top folder of a mounted root file system. */
  root: string;
  /** That of the one below it; without it, all is new. */
  parentRoot?: string | undefined;
  /** A layer's tar on standard output, or JSON: `Change[]`, or a number of bytes. */
  work: "pack" | "changes" | "size";
  /** Owners in the tar are those inside this user namespace. */
  owners?: OwnerMaps | undefined;
}
