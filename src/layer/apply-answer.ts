import type { ExtractResult } from "./extract-tar.ts";
import type { OwnerMaps } from "./owner-map.ts";

/** What the unpacking process is asked, as JSON on a descriptor of its own. */
export interface ApplyRequest {
  root: string;
  owners?: OwnerMaps | undefined;
}

/** What the unpacking process answers, as one line of JSON on its standard output. */
export type ApplyAnswer = ({ ok: true } & ExtractResult) | { ok: false; message: string };
