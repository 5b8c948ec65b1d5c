import { basename } from "node:path";
import type { ThinTool } from "./thin-tool.ts";

/** The tools by name; each is loaded when it is called. */
export const thinTools: Readonly<Record<string, () => Promise<{ tool: ThinTool }>>> = {
  thin_check: () => import("./tools/thin-check.ts"),
  thin_delta: () => import("./tools/thin-delta.ts"),
  thin_dump: () => import("./tools/thin-dump.ts"),
  thin_ls: () => import("./tools/thin-ls.ts"),
  thin_metadata_pack: () => import("./tools/thin-metadata-pack.ts"),
  thin_metadata_size: () => import("./tools/thin-metadata-size.ts"),
  thin_metadata_unpack: () => import("./tools/thin-metadata-unpack.ts"),
  thin_repair: () => import("./tools/thin-repair.ts"),
  thin_restore: () => import("./tools/thin-restore.ts"),
  thin_rmap: () => import("./tools/thin-rmap.ts"),
  thin_shrink: () => import("./tools/thin-shrink.ts"),
  thin_trim: () => import("./tools/thin-trim.ts"),
};

/** A tool that is called, and what follows its name. */
export interface ToolCall {
  readonly name: string;
  readonly words: readonly string[];
}

/** The tool that a command line calls: by the program's own name, through a symbolic link, or as its first word. */
export function toolCall(program: string, words: readonly string[]): ToolCall | undefined {
  const own = basename(program);
  if (Object.hasOwn(thinTools, own)) return { name: own, words };
  const [first = "", ...rest] = words;
  return Object.hasOwn(thinTools, first) ? { name: first, words: rest } : undefined;
}
