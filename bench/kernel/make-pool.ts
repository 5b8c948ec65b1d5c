import { execFileSync } from "node:child_process";
import { join } from "node:path";

/**
 * Makes a running thin pool on files as Docker's and Mica's, with the table that they use, for who wants one given.
 *
 * @returns takes it away again, with the devices that containerd's snapshotter left active
 */
export function makePool(name: string, root: string, sizes: { dataSize: string; metadataSize: string }): () => void {
  const loops = (["metadata", "data"] as const).map((kind) => {
    const file = join(root, kind);
    run("truncate", "-s", sizes[`${kind}Size`], file);
    return run("losetup", "--find", "--show", file);
  });
  const table = `0 ${run("blockdev", "--getsz", loops[1])} thin-pool ${loops.join(" ")} 128 32768 1 skip_block_zeroing`;
  run("dmsetup", "create", name, "--table", table);
  return () => {
    for (const [, device] of run("dmsetup", "ls").matchAll(/^(\S+)\t/gm)) {
      if (device.startsWith(`${name}-snap-`)) run("dmsetup", "remove", device);
    }
    run("dmsetup", "remove", name);
    for (const loop of loops) run("losetup", "--detach", loop);
  };
}

function run(program: string, ...parameters: string[]): string {
  return execFileSync(program, parameters, { encoding: "utf8" }).trim();
}
