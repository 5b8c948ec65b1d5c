import { existsSync } from "node:fs";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";

/**
 * A pool that someone else made (dm.thinpooldev, or LVM's) has to be there.
 *
 * @throws GraphError ENXIO
 */
export async function requireGivenPool(context: GraphContext): Promise<void> {
  const { mapper, pool } = context;
  const info = await mapper.info(pool);
  if (info?.target === "thin-pool") return;
  const node = `/dev/mapper/${pool}`;
  const isOther = info !== undefined || (mapper.kind === "kernel" && existsSync(node));
  const why = isOther ? "it is no thin pool" : "there is no such device";
  throw new GraphError(
    "ENXIO",
    `Cannot use ${optionOf(context)}: ${why}${mapper.kind === "kernel" ? whatToDo : inUserSpace}`,
  );
}

const whatToDo =
  ". `dmsetup ls --target thin-pool` lists the pools. LVM's pool VG/POOL is called VG-POOL, has to be active (lvchange -ay VG/POOL), and " +
  "is not to have thin volumes of LVM's own";

const inUserSpace =
  " in the user-space device mapper, which knows the pools it runs itself. --device-mapper kernel takes the kernel's pools";

function optionOf({ pool, options }: GraphContext): string {
  return options.directLvm === undefined ? `dm.thinpooldev=${pool}` : `pool ${pool} of dm.directlvm_device`;
}
