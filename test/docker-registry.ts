import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const program = "/usr/bin/docker-registry";
const startSeconds = 30;

/** A real registry (Debian's docker-registry) on a loopback port of its own. */
export interface Registry {
  /** What names of images in it begin with: `127.0.0.1:PORT`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** Why no registry can run here, or undefined where one can. */
export function missingForRegistry(): string | undefined {
  return existsSync(program) ? undefined : `not installed: ${program}`;
}

/** What else its configuration may say. */
export interface RegistryConfiguration {
  auth?: object;
  proxy?: object;
  tls?: { certificate: string; key: string };
}

/** Starts one that keeps its images below `folder`. */
export async function startRegistry(
  folder: string,
  { tls, ...configured }: RegistryConfiguration = {},
): Promise<Registry> {
  mkdirSync(folder, { recursive: true });
  const configuration = join(folder, "config.json");
  // JSON is YAML too.
  writeFileSync(
    configuration,
    JSON.stringify({
      version: "0.1",
      storage: { filesystem: { rootdirectory: join(folder, "images") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0", secret: "of no importance", tls },
      ...configured,
    }),
  );
  const child = spawn(program, ["serve", configuration], { stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  const address = new Promise<string>((resolve) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      const found = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const failed = Promise.race([once(child, "exit"), sleep(startSeconds * 1000, undefined, { ref: false })]).then(() => {
    throw new Error(`The registry did not start:\n${lines.join("\n")}`);
  });
  failed.catch(() => undefined);
  return {
    address: await Promise.race([address, failed]),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** One for a test, gone after it; undefined, and the test skipped, where none can run. */
export async function registryFor(t: TestContext): Promise<Registry | undefined> {
  const missing = missingForRegistry();
  if (missing !== undefined) {
    t.skip(missing);
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "mica-registry-"));
  const registry = await startRegistry(folder);
  t.after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true });
  });
  return registry;
}
