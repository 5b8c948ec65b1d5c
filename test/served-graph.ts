import { join } from "node:path";
import type { TestContext } from "node:test";
import { scratchGraph, smallPool, type Scratch } from "./cli-support.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** A scratch graph with a daemon that has an API: commands go through it. */
export interface ServedGraph extends Scratch {
  daemon: MicaDaemon;
  /** Path of the API's socket. */
  api: string;
}

/** Makes one. */
export async function servedGraph(t: TestContext): Promise<ServedGraph> {
  const scratch = scratchGraph(t, () => daemon.stop().catch(() => daemon.kill()));
  const api = join(scratch.folder, "api.sock");
  const daemon = new MicaDaemon(scratch.folder, { "--api": api }, smallPool);
  await daemon.start();
  return { ...scratch, daemon, api };
}
