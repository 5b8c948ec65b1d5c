/** What a thin target's parameters name. */
export interface ThinParameters {
  /** The pool's name, or where it is: "/dev/mapper/NAME". */
  pool: string;
  deviceId: number;
  /** A file or device that unmapped blocks are read from. */
  externalOrigin: string | undefined;
}

/** Device ids have 24 bits (drivers/md/dm-thin-metadata.c). */
const idLimit = 2 ** 24;

/**
 * Reads `POOL ID [ORIGIN]` (thin-provisioning.rst).
 *
 * @param refused makes the error that says why they are not that
 */
export function parseThinParameters(
  parameters: readonly (string | undefined)[],
  refused: (why: string) => Error,
): ThinParameters {
  const [pool, id, externalOrigin, ...more] = parameters;
  if (pool === undefined || id === undefined || more.length > 0) throw refused("it wants POOL ID [ORIGIN]");
  const deviceId = /^\d{1,8}$/.test(id) ? Number(id) : NaN;
  if (!(deviceId < idLimit)) throw refused(`device id '${id}' is not a number below ${idLimit}`);
  return { pool, deviceId, externalOrigin };
}
