import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageFile } from "../../src/linux/package-root.ts";
import { bundleForKernel } from "../../test/kernel/bundle.ts";
import { runInUserModeLinux, thinPoolModules } from "../../test/kernel/user-mode-linux.ts";
import type { KernelFigures } from "./operations.ts";
import type { RacePlan } from "./race.ts";
import { undisturbed } from "./undisturbed.ts";

const MEBIBYTES = 6144;
const TIMEOUT_MS = 1_500_000;

/**
 * V8 gives memory back after each collection of a process that allocates little, and takes it anew page by page. A page costs a fraction
 * of a microsecond on a processor, and 40 in User-mode Linux: a third of each operation. Only this flag keeps V8 from it.
 */
const nodeFlags = ["--predictable"];

/** In the kernel: a path that does not lead through the machine's own file system, where each step costs calls of the host. */
const FOLDER = "/run/bench";

/**
 * Boots User-mode Linux once a file system, and races there Mica's graph on the kernel's device mapper, Docker's graph driver
 * and containerd's snapshotter, each with a pool of its own on sparse files in the same ext4.
 */
export async function measureInKernel(report: (figures: KernelFigures) => void): Promise<void> {
  mkdirSync(packageFile(".cache"), { recursive: true });
  const bundles = mkdtempSync(packageFile(".cache/kernel-bench-"));
  try {
    await bundleForKernel(bundles, { "mica-agent": "bench/kernel/mica-agent.ts", race: "bench/kernel/race.ts" });
    for (const fileSystem of ["ext4", "xfs"] as const) {
      const plan: RacePlan = {
        folder: FOLDER,
        programs: {
          mica: [process.execPath, ...nodeFlags, join(bundles, "mica-agent.mjs")],
          docker: [packageFile(".cache/bench/docker-driver")],
          containerd: [packageFile(".cache/bench/containerd-snapshotter")],
        },
        fileSystem,
        baseSize: "10G",
        dataSize: "100G",
        metadataSize: "2G",
        firstDevices: 3,
        warmUpTurns: 45,
        stages: [
          { containers: 10, turns: 20 },
          { containers: 500, turns: 20 },
        ],
      };
      const script = [
        `scratch_disk disk 3G; mkdir ${FOLDER}; mount --move $SCRATCH/disk ${FOLDER}`,
        `node ${join(bundles, "race.mjs")} '${JSON.stringify(plan)}'`,
      ].join("\n");
      const output = await undisturbed(() =>
        runInUserModeLinux(script, { modules: thinPoolModules, mebibytes: MEBIBYTES, timeoutMs: TIMEOUT_MS }),
      );
      for (const [, json] of output.matchAll(/^FIGURES (.*)$/gm)) report(JSON.parse(json) as KernelFigures);
    }
  } finally {
    rmSync(bundles, { recursive: true });
  }
}
