import type { GraphContext } from "./graph-context.ts";

/**
 * Releases a metadata snapshot that a pool holds as it is started, if the pool is the graph's alone: a power cut left it, while its
 * taker was reading. It would keep the space of everything deleted since. Only for who holds the graph's lock.
 */
export async function releaseLeftSnapshot({ exclusivePool, mapper, pool, log }: GraphContext): Promise<void> {
  if (!exclusivePool) return;
  // 0 SECTORS thin-pool TRANSACTION METADATA DATA HELD …
  const held = (await mapper.status(pool)).trim().split(/\s+/)[6];
  if (held === "-") return;
  log("info", `pool ${pool} holds a metadata snapshot that was left in it: it is released`);
  await mapper.message(pool, "release_metadata_snap");
}
