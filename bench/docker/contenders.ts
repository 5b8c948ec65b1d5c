import { join } from "node:path";
import { DockerEngine } from "../../test/docker-engine.ts";
import { MicaDaemon } from "../../test/mica-daemon.ts";

/** Docker's own file-level drivers, and Mica's plugin. */
export const drivers = ["mica", "overlay2", "vfs"] as const;
export type Driver = (typeof drivers)[number];

/** A Docker Engine for each driver, all on the same file system; Mica has its default options. */
export interface Contenders {
  readonly engines: Readonly<Record<Driver, DockerEngine>>;
  remove(): Promise<void>;
}

/** @param dir what they keep goes below it; absolute */
export async function startContenders(dir: string): Promise<Contenders> {
  const plugin = `mica-bench-${process.pid}`;
  const daemon = new MicaDaemon(dir, { "--docker-plugin": `/run/docker/plugins/${plugin}.sock` }, []);
  const engine = (driver: string) => new DockerEngine({ folder: join(dir, driver), driver });
  const engines = { mica: engine(plugin), overlay2: engine("overlay2"), vfs: engine("vfs") };
  const remove = async (): Promise<void> => {
    for (const driver of drivers) await engines[driver].remove();
    await daemon.shutdown();
  };
  try {
    await daemon.start();
    for (const driver of drivers) await engines[driver].start();
  } catch (error) {
    await remove();
    throw error;
  }
  return { engines, remove };
}
