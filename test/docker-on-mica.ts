import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { missingRequirement } from "../src/cli/requirements.ts";
import { DockerEngine, missingForEngine } from "./docker-engine.ts";
import { endAfterTest } from "./engine-on-mica.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** A real Docker Engine whose storage driver is `mica daemon`, all of it in one folder. */
export interface DockerOnMica {
  folder: string;
  /** The plugin's name: what `docker info` calls the storage driver. */
  driver: string;
  daemon: MicaDaemon;
  engine: DockerEngine;
  /** Ends all of it as an administrator would. @returns mounts, loop devices and processes that are left: none when all is well */
  end(): Promise<string[]>;
}

const smallPool = ["dm.basesize=256M", "dm.loopdatasize=4G", "dm.loopmetadatasize=32M"];

/** Why none can run here, or undefined where one can. */
export function missingForDockerOnMica(): string | undefined {
  return missingRequirement() ?? missingForEngine();
}

/**
 * Starts one, that is gone after the test; undefined, and the test skipped, where the machine cannot.
 *
 * @param options more of dockerd's options
 */
export async function dockerOnMica(
  t: TestContext,
  options: readonly string[] = ["--live-restore"],
): Promise<DockerOnMica | undefined> {
  const missing = missingForDockerOnMica();
  if (missing !== undefined) {
    t.skip(missing);
    return undefined;
  }
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-docker-")));
  chmodSync(folder, 0o711); // the root of a user namespace has to pass
  // Beside other tests, and beside a plugin that the machine itself uses.
  const driver = folder.replace(/^.*\//, "").toLowerCase();
  const socket = `/run/docker/plugins/${driver}.sock`;
  const daemon = new MicaDaemon(folder, { "--docker-plugin": socket }, smallPool);
  const engine = new DockerEngine({ folder: join(folder, "docker"), driver, options });
  const end = endAfterTest(t, { folder, daemon, engine });
  t.after(() => rmSync(socket, { force: true }));
  await daemon.start();
  await engine.start();
  return { folder, driver, daemon, engine, end };
}
