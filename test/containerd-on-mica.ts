import assert from "node:assert/strict";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { missingRequirement } from "../src/cli/requirements.ts";
import { Containerd, missingForContainerd } from "./containerd-engine.ts";
import { endAfterTest } from "./engine-on-mica.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** A real containerd whose snapshotter `mica` is `mica daemon`, all of it in one folder. */
export interface ContainerdOnMica {
  folder: string;
  daemon: MicaDaemon;
  containerd: Containerd;
  /** Where the snapshotter is served. */
  socket: string;
  /** Ends all of it as an administrator would. @returns mounts, loop devices and processes that are left: none when all is well */
  end(): Promise<string[]>;
}

const gcSeconds = 30;
const smallPool = ["dm.basesize=512M", "dm.loopdatasize=8G", "dm.loopmetadatasize=64M"];

/**
 * Starts one, that is gone after the test; undefined, and the test skipped, where the machine cannot.
 *
 * @param cri it serves Kubernetes too, all of whose containers are on Mica
 */
export async function containerdOnMica(
  t: TestContext,
  cri?: { sandboxImage: string },
): Promise<ContainerdOnMica | undefined> {
  const missing = missingRequirement() ?? missingForContainerd();
  if (missing !== undefined) {
    t.skip(missing);
    return undefined;
  }
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-ctrd-")));
  const socket = join(folder, "s.sock");
  const daemon = new MicaDaemon(folder, { "--containerd": socket }, smallPool);
  const containerd = new Containerd(join(folder, "c"), { mica: socket }, cri && { ...cri, snapshotter: "mica" });
  const end = endAfterTest(t, { folder, daemon, engine: containerd });
  await daemon.start();
  await containerd.start();
  return { folder, daemon, containerd, socket, end };
}

/** Waits until only what all snapshots begin as is left: containerd removes by itself what it has no reference to any more. */
export async function untilGone({ daemon }: ContainerdOnMica): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const { stdout } = await daemon.mica("--json", "ls");
    const left = (JSON.parse(stdout) as { device: string }[]).map(({ device }) => device);
    if (left.every((device) => device === "base" || device.startsWith("containerd-base-"))) return;
    assert.ok(attempt < gcSeconds * 2, `still there: ${left.join(", ")}`);
    await sleep(500);
  }
}
