import { rmSync } from "node:fs";
import type { TestContext } from "node:test";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import type { MicaDaemon } from "./mica-daemon.ts";

/** A container engine and the daemon that it stands on, all of it in one folder. */
export interface EngineOnMica {
  folder: string;
  daemon: MicaDaemon;
  engine: { remove(): Promise<void> };
}

/**
 * Has both, and the folder, gone after the test.
 *
 * @returns ends them before, as an administrator would, and tells mounts, loop devices and processes that are left: none when all is well
 */
export function endAfterTest(t: TestContext, { folder, daemon, engine }: EngineOnMica): () => Promise<string[]> {
  const end = async (): Promise<string[]> => {
    await engine.remove();
    const outcome = await daemon.shutdown();
    const refused = outcome?.status === 0 ? [] : [`mica shutdown: ${outcome?.stderr}`];
    return [...refused, ...leftoversIn(folder)];
  };
  t.after(async () => {
    try {
      await end();
    } finally {
      await removeLeftovers(folder);
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return end;
}
