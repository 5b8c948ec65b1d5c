import { calledBy, type NamedCall } from "../called-by.ts";
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
  thin_migrate: () => import("./tools/thin-migrate.ts"),
  thin_repair: () => import("./tools/thin-repair.ts"),
  thin_restore: () => import("./tools/thin-restore.ts"),
  thin_rmap: () => import("./tools/thin-rmap.ts"),
  thin_shrink: () => import("./tools/thin-shrink.ts"),
  thin_trim: () => import("./tools/thin-trim.ts"),
};

/** The tool that a command line calls. */
export function toolCall(program: string, words: readonly string[]): NamedCall | undefined {
  return calledBy(program, words, (name) => Object.hasOwn(thinTools, name));
}
