import { join } from "node:path";
import { endExport, startExport } from "../../src/block-device/nbd/export-process.ts";
import type { Stack, StackDevice } from "../stack.ts";
import type { ThinPoolStack } from "./thin-pool.ts";

const BLOCK_BYTES = 128 * 512;

/** Mica's thin devices, each exported by its NBD server. */
export class ExportedPool implements Stack {
  readonly name = "mica";
  readonly #pool: ThinPoolStack;
  readonly #dir: string;
  #made = 0;

  constructor(pool: ThinPoolStack, dir: string) {
    this.#pool = pool;
    this.#dir = dir;
  }

  async empty(): Promise<StackDevice> {
    return this.#serve(await this.#pool.empty());
  }

  async filled(span: string): Promise<StackDevice> {
    return this.#serve(await this.#pool.filled(span));
  }

  async snapshot(span: string): Promise<StackDevice> {
    return this.#serve(await this.#pool.snapshot(span));
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #serve(inner: StackDevice): Promise<StackDevice> {
    const device = `device-${(this.#made += 1)}`;
    const folder = join(this.#dir, "exports");
    const socket = join(this.#dir, `${device}.sock`);
    const use = { access: "read-write", claim: "exclusive" } as const;
    await startExport({
      folder,
      device,
      blockDevice: inner.path,
      socket,
      name: device,
      blockSizeBytes: BLOCK_BYTES,
      ...use,
    });
    const close = async (): Promise<void> => {
      await endExport(folder, device);
      await inner.close();
    };
    return { path: `nbd+unix:///?socket=${socket}`, close };
  }
}
