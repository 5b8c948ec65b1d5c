import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { DeviceMapper } from "../../device-mapper/device-mapper.ts";
import { openDeviceSet, shutdownGraph, type DeviceSet } from "../graph.ts";
import type { GraphOptions } from "../graph-options.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { inKernel, testMapper } from "./test-mapper.ts";

/** A graph in a folder of its own, with small sizes; it is shut down and removed after the test. */
export interface TestGraph {
  root: string;
  runDir: string;
  mapper: DeviceMapper;
  /** Messages above debug, `level: text`. */
  logged: string[];
  open(options?: Partial<GraphOptions>): Promise<DeviceSet>;
  /** Stops the pool, as at the machine's shutdown. */
  stop(): Promise<void>;
}

/** No udev runs in the kernels that the tests boot. */
function withoutUdev(options: string[]): string[] {
  return inKernel && options.length > 0 ? ["dm.override_udev_sync_check=true", ...options] : options;
}

/** What every test graph is made with unless the test says otherwise. */
export const smallSizes = withoutUdev(["dm.basesize=512M", "dm.loopdatasize=4G", "dm.loopmetadatasize=64M"]);

/** Makes one; undefined, and the test skipped, where the machine cannot. */
export function testGraph(t: TestContext): TestGraph | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/dev/loop-control") || (!inKernel && !existsSync("/dev/fuse"))) {
    t.skip("needs root, loop devices and FUSE, or the kernel's thin-pool target");
    return undefined;
  }
  const folder = scratchFolder(t, () => graph.stop());
  const [root, runDir] = [join(folder, "graph"), join(folder, "run")];
  mkdirSync(runDir, { recursive: true });
  const mapper = testMapper(runDir);
  const logged: string[] = [];
  const opened: DeviceSet[] = [];
  const graph: TestGraph = {
    root,
    runDir,
    mapper,
    logged,
    async open({ storageOptions, ...options } = {}) {
      const stored = existsSync(join(options.root ?? root, "storage-options.json"));
      const set = await openDeviceSet({
        root,
        deviceMapper: mapper,
        autogrow: { enabled: false },
        storageOptions: withoutUdev(storageOptions ?? (stored ? [] : smallSizes)),
        log: (level, message) => {
          if (level !== "debug") logged.push(`${level}: ${message}`);
        },
        ...options,
      });
      opened.push(set);
      return set;
    },
    async stop() {
      for (const set of opened.splice(0)) await set.close();
      await shutdownGraph({ root, deviceMapper: mapper });
    },
  };
  return graph;
}
