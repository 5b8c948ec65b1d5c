/** What a pool still does, from all to nothing; the order is the kernel's (dm-thin.c, enum pool_mode). */
export const poolMode = { write: 0, outOfDataSpace: 1, outOfMetadataSpace: 2, readOnly: 3, fail: 4 } as const;

/** One of `poolMode`: the higher, the less the pool does. */
export type PoolMode = (typeof poolMode)[keyof typeof poolMode];
