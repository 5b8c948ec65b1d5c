import type { ImportProgress, PullProgress } from "./types.ts";

/** For who asked for an import, of which downloads ahead are no part. */
export function withoutDownloads(
  progress: ((event: ImportProgress) => void) | undefined,
): ((event: PullProgress) => void) | undefined {
  return progress === undefined ? undefined : (event) => event.kind !== "download" && progress(event);
}
