import type { ExtractResult } from "./extract-tar.ts";

/** What the unpacking process answers, as one line of JSON on its standard output. */
export type ApplyAnswer = ({ ok: true } & ExtractResult) | { ok: false; message: string };
