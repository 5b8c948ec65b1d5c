import type { TestContext } from "node:test";
import { MountedFolder } from "../mounted-folder.ts";

/** Opens a folder until the test is over. */
export function openTop(t: TestContext, path: string): MountedFolder {
  const top = MountedFolder.top(path);
  t.after(() => top.close());
  return top;
}
