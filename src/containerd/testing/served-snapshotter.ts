import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { DeviceSet } from "../../graph/device-set.ts";
import { testGraph, type TestGraph } from "../../graph/testing/test-graph.ts";
import type { Service } from "../../service/service.ts";
import { serveSnapshotter } from "../snapshotter-service.ts";
import type { SnapshotterOptions } from "../snapshotter-options.ts";
import { SnapshotsClient } from "./snapshots-client.ts";

/** A snapshotter on a graph of a test's own, and a client of it. */
export interface ServedSnapshotter {
  graph: TestGraph;
  /** The graph that is served: another object after `afterShutdown`. */
  readonly devices: DeviceSet;
  socket: string;
  client: SnapshotsClient;
  /** Stops serving and begins again. */
  restart(options?: SnapshotterOptions): Promise<void>;
  /** Stops serving and the pool, as the machine's end does, and serves again. */
  afterShutdown(): Promise<void>;
  /** Names of the devices that are the snapshotter's, but for those that snapshots without a parent begin as. */
  snapshotDevices(): Promise<string[]>;
}

/** Makes one, that is gone after the test; undefined, and the test skipped, where the machine cannot. */
export async function servedSnapshotter(
  t: TestContext,
  options: SnapshotterOptions = {},
): Promise<ServedSnapshotter | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  let devices = await graph.open();
  const socket = join(graph.runDir, "s.sock");
  const serve = (chosen: SnapshotterOptions): Promise<Service> =>
    serveSnapshotter({ devices, log: pino({ level: "silent" }) }, { socket, ...chosen });
  let service = await serve(options);
  const client = new SnapshotsClient(socket);
  t.after(async () => {
    client.close();
    await service.close();
  });
  return {
    graph,
    get devices() {
      return devices;
    },
    socket,
    client,
    async restart(changed = options) {
      await service.close();
      service = await serve(changed);
    },
    async afterShutdown() {
      await service.close();
      await graph.stop();
      devices = await graph.open();
      service = await serve(options);
    },
    async snapshotDevices() {
      return (await devices.devices())
        .filter(({ id, deleted }) => !deleted && /^containerd-(?!base-)/.test(id))
        .map(({ id }) => id);
    },
  };
}

/** containerd.types.Mount, as far as it is used. */
export interface Mount {
  type: string;
  source: string;
  options: string[];
}

/** Mounts as containerd does, for the time of a function. */
export async function mounted(
  { graph }: ServedSnapshotter,
  { mounts }: { mounts: Mount[] },
  work: (folder: string) => void | Promise<void>,
): Promise<void> {
  const [{ type, source, options }] = mounts;
  const folder = join(graph.runDir, "mounted");
  mkdirSync(folder, { recursive: true });
  execFileSync("mount", ["-t", type, "-o", options.join(","), source, folder]);
  try {
    await work(folder);
  } finally {
    execFileSync("umount", [folder]);
  }
}
