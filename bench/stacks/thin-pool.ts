import { join } from "node:path";
import type { DeviceMapper } from "../../src/device-mapper/device-mapper.ts";
import { fill } from "../fio.ts";
import { createSparseFile } from "../sparse-file.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

const SECTOR_BYTES = 512;
const DATA_BYTES = 40 * 2 ** 30;
const METADATA_BYTES = 256 * 2 ** 20;

/** Mica: thin devices of one pool on sparse files, through the device mapper given. */
export class ThinPoolStack implements Stack {
  readonly name = "mica";
  readonly #dm: DeviceMapper;
  readonly #pool: string;
  #devices = 0;

  private constructor(dm: DeviceMapper, pool: string) {
    this.#dm = dm;
    this.#pool = pool;
  }

  static async open(dm: DeviceMapper, dir: string): Promise<ThinPoolStack> {
    const pool = `bench-${process.pid}-pool`;
    const metadata = createSparseFile(join(dir, "metadata"), METADATA_BYTES);
    const data = createSparseFile(join(dir, "data"), DATA_BYTES);
    await dm.create(pool, `0 ${DATA_BYTES / SECTOR_BYTES} thin-pool ${metadata} ${data} 128 32768`);
    return new ThinPoolStack(dm, pool);
  }

  async empty(): Promise<StackDevice> {
    const id = (this.#devices += 1);
    await this.#dm.message(this.#pool, `create_thin ${id}`);
    return this.#activate(id);
  }

  async filled(span: string): Promise<StackDevice> {
    const device = await this.empty();
    await fill(device.path, span);
    return device;
  }

  async snapshot(span: string): Promise<StackDevice> {
    const origin = this.#devices + 1;
    const parent = await this.filled(span);
    const id = (this.#devices += 1);
    await this.#dm.message(this.#pool, `create_snap ${id} ${origin}`);
    const child = await this.#activate(id);
    const close = async (): Promise<void> => {
      await child.close();
      await parent.close();
    };
    return { path: child.path, close };
  }

  async close(): Promise<void> {
    await this.#dm.remove(this.#pool);
  }

  async #activate(id: number): Promise<StackDevice> {
    const name = `${this.#pool}-${id}`;
    await this.#dm.create(name, `0 ${DEVICE_BYTES / SECTOR_BYTES} thin ${this.#pool} ${id}`);
    const path = (await this.#dm.info(name))?.blockDevice;
    if (path === undefined) throw new Error(`Cannot measure ${name}: it has no block device`);
    const close = async (): Promise<void> => {
      await this.#dm.remove(name);
      await this.#dm.message(this.#pool, `delete ${id}`);
    };
    return { path, close };
  }
}
