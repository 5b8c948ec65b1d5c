import type { RawPath } from "../file-system/raw-path.ts";

/**
 * A tar entry's name made relative to the layer's root and lexically clean, as Docker does: "/a//./b/" and "a/x/../b" are
 * "a/b"; the root itself is ".".
 *
 * @returns undefined when its ".." lead out of the root
 */
export function cleanEntryPath(raw: RawPath): RawPath | undefined {
  if (alreadyClean.test(raw) && !raw.includes("/.")) return raw;
  const parts: string[] = [];
  for (const part of raw.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? "." : parts.join("/");
}

/** Names that need no look at their parts; most do not. */
const alreadyClean = /^[^./][^/]*(?:\/[^/]+)*$/;
