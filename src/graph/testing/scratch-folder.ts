import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A folder of its own for a test; gone after it. @param before what is to be undone in it first */
export function scratchFolder(t: TestContext, before: () => Promise<void> = () => Promise.resolve()): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-graph-")));
  t.after(async () => {
    try {
      await before();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return folder;
}
