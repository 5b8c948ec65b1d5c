import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Which devices of a graph are Docker's: an empty file for each in `$root/docker-plugin/layers`. Nothing depends on it; it tells people
 * whose a device is.
 */
export class KnownLayers {
  readonly #folder: string;

  /** @param folder the plugin's own, in the graph's */
  constructor(folder: string) {
    this.#folder = join(folder, "layers");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Docker uses a device. */
  add(id: string): void {
    const path = join(this.#folder, id);
    if (!existsSync(path)) writeFileSync(path, "", { mode: 0o600 });
  }

  remove(id: string): void {
    rmSync(join(this.#folder, id), { force: true });
  }
}

/** IDs of Docker's devices in a graph, for whoever does not serve them; some may be gone. */
export function knownDockerLayers(root: string): Set<string> {
  const folder = join(root, "docker-plugin/layers");
  return new Set(existsSync(folder) ? readdirSync(folder) : []);
}
