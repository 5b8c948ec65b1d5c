import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DockerEngine } from "../../test/docker-engine.ts";
import { build, oneLayer, writeBuildContext } from "../../test/docker-image.ts";
import { startRegistry } from "../../test/docker-registry.ts";
import { median } from "../statistics.ts";
import { drivers, startContenders, type Driver } from "./contenders.ts";

const containerRounds = 20;
const imageRounds = 3;
const imageFolders = 100;
const filesInFolder = 40;
const fileBytes = 25_000;

/** Medians, in milliseconds. */
export interface DockerRow {
  readonly operation: string;
  readonly milliseconds: Readonly<Record<Driver, number>>;
}

/** Times of one operation in one driver. */
type Times = Map<string, number[]>;

/** What the client of a real Docker Engine waits for on each driver; the drivers take turns. */
export async function measureDocker(dir: string): Promise<DockerRow[]> {
  const context = writeBuildContext(join(dir, "context"), oneLayer);
  const large = writeLargeContext(join(dir, "large"));
  const registry = await startRegistry(join(dir, "registry"));
  const contenders = await startContenders(dir);
  const times: Record<Driver, Times> = { mica: new Map(), overlay2: new Map(), vfs: new Map() };
  const inTurns = async (rounds: number, work: (engine: DockerEngine, time: Timer) => Promise<void>): Promise<void> => {
    // The first round warms up and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const driver of drivers)
        await work(contenders.engines[driver], timerInto(round === 0 ? new Map<string, number[]>() : times[driver]));
    }
  };
  try {
    for (const driver of drivers) await build(contenders.engines[driver], context, "trivial");
    await inTurns(containerRounds, runContainer);
    await inTurns(imageRounds, (engine, time) =>
      moveImage(engine, time, { context: large, image: `${registry.address}/large`, archive: join(dir, "large.tar") }),
    );
  } finally {
    await contenders.remove();
    await registry.stop();
  }
  return [...times.mica.keys()].map((operation) => ({
    operation,
    milliseconds: {
      mica: median(times.mica.get(operation)!),
      overlay2: median(times.overlay2.get(operation)!),
      vfs: median(times.vfs.get(operation)!),
    },
  }));
}

type Timer = (operation: string, work: () => Promise<unknown>) => Promise<void>;

function timerInto(times: Times): Timer {
  return async (operation, work) => {
    const start = performance.now();
    await work();
    const taken = performance.now() - start;
    times.set(operation, [...(times.get(operation) ?? []), taken]);
  };
}

async function runContainer(engine: DockerEngine, time: Timer): Promise<void> {
  await time("docker run --rm", () => engine.ok("run", "--rm", "--network", "none", "trivial", "true"));
  const name = "apart";
  await time("docker create", () => engine.ok("create", "--network", "none", "--name", name, "trivial", "true"));
  await time("docker start --attach", () => engine.ok("start", "--attach", name));
  await time("docker rm", () => engine.ok("rm", name));
}

async function moveImage(
  engine: DockerEngine,
  time: Timer,
  { context, image, archive }: { context: string; image: string; archive: string },
): Promise<void> {
  await time("docker build, 100 MB in 4,000 files", () => build(engine, context, image));
  await engine.ok("push", "--quiet", image);
  await time("docker save", () => engine.ok("save", "--output", archive, image));
  await time("docker rmi", () => engine.ok("rmi", image));
  await time("docker load", () => engine.ok("load", "--input", archive));
  await engine.ok("rmi", image);
  await time("docker pull", () => engine.ok("pull", "--quiet", image));
  await engine.ok("rmi", image);
  rmSync(archive);
}

/** A folder with a Dockerfile whose image has one layer of 100 MB. */
function writeLargeContext(folder: string): string {
  for (let n = 0; n < imageFolders; n += 1) {
    const inner = join(folder, "files", String(n));
    mkdirSync(inner, { recursive: true });
    for (let file = 0; file < filesInFolder; file += 1)
      writeFileSync(join(inner, String(file)), randomBytes(fileBytes));
  }
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY files /files\n");
  return folder;
}
