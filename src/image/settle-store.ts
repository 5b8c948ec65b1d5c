import type { ImageContext } from "./image-context.ts";

/** Settles what processes that died left half done: devices that no record claims, layers that no image has. Costs a look where there is nothing. */
export async function settleStore(context: ImageContext): Promise<void> {
  if (!context.pending.any()) return;
  await context.pending.settleDead();
  const dead = await context.locks.records(() => context.imports.any() && !context.imports.anyAlive());
  if (!dead) return;
  const { collectLayers } = await import("./collect-layers.ts");
  await collectLayers(context);
  const { removeAbandonedFiles } = await import("./abandoned-files.ts");
  removeAbandonedFiles(context.files.temporaryFolder);
}
