import type { ImageContext } from "./image-context.ts";

/** Settles what processes that died left half done: devices that no record claims, images that came or went, layers. Costs a look where there is nothing. */
export async function settleStore(context: ImageContext): Promise<void> {
  if (!context.pending.any()) return;
  const someDied = await context.pending.settleDead();
  const imagesDied = await context.locks.records(() => {
    const anyDead = context.imports.any() && !context.imports.anyAlive();
    if (someDied || anyDead) context.files.deleteStrayFiles();
    return anyDead;
  });
  if (!imagesDied) return;
  const { collectLayers } = await import("./collect-layers.ts");
  await collectLayers(context);
  const { removeAbandonedFiles } = await import("./abandoned-files.ts");
  removeAbandonedFiles(context.files.temporaryFolder);
}
