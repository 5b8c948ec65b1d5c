// For tests: devices of linear, striped, zero and error segments, beside pools.
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { ControlClient } from "../../block-device/control-client.ts";
import { mappedRunDir, startMappedDevice } from "../../block-device/mapped/mapped-process.ts";
import type { MappedInfo } from "../../block-device/mapped/mapped-service.ts";
import { poolEnded } from "../../block-device/pool-process.ts";
import { poolPaths } from "../../block-device/pool-paths.ts";
import { alignedBuffer } from "../../linux/aligned-buffer.ts";
import { attachLoop, detachLoop, type LoopOptions } from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import { TestPool } from "./test-pool.ts";

/** A test's pools and mapped devices, with disks to stand on; `destroy` ends them all. */
export class TestMapped extends TestPool {
  readonly mappedDir = mappedRunDir(this.runDir);
  readonly client = new ControlClient(this.mappedDir);

  /** A loop device on a sparse file of that name. */
  disk(name: string, mebibytes: number, options: LoopOptions = {}): string {
    return attachLoop(this.file(name, mebibytes), options);
  }

  /** Starts a mapped device; returns its block device. */
  async start(name: string, table: string, options: { readOnly?: boolean } = {}): Promise<string> {
    await startMappedDevice(this.runDir, name, table, options);
    const { blockBytes, readOnly } = await this.info(name);
    return attachLoop(this.fileOf(name), { directIo: true, blockSizeBytes: blockBytes, readOnly });
  }

  /** The file that it is in the mount of its engine. */
  fileOf(name: string): string {
    return join(poolPaths(this.mappedDir, name).mount, name);
  }

  /** What `engine`, `supervisor` and `nextEngine` take for it. */
  processesOf(name: string): string {
    return join(relative(this.runDir, this.mappedDir), name);
  }

  send(name: string, message: string): Promise<string> {
    return this.client.send(name, message);
  }

  async info(name: string): Promise<MappedInfo> {
    return JSON.parse(await this.send(name, "info")) as MappedInfo;
  }

  /** Kills its engine and waits for the next. */
  async killEngine(name: string): Promise<void> {
    const processes = this.processesOf(name);
    const engine = this.engine(processes);
    await this.kill(engine);
    await this.nextEngine(processes, engine);
  }

  async end(name: string, blockDevice: string): Promise<void> {
    detachLoop(blockDevice);
    await this.send(name, "shutdown");
    await poolEnded(this.mappedDir, name);
  }
}

/** A block of 4096 bytes past the page cache: what all its bytes are; "mixed" where they differ, or the error's name. */
export function blockAt(device: string, position: number): number | string {
  const fd = openSync(device, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const block = alignedBuffer(4096, 4096);
    readSync(fd, block, 0, block.length, position);
    return block.every((byte) => byte === block[0]) ? block[0] : "mixed";
  } catch (error) {
    return errorCode(error) ?? "no code";
  } finally {
    closeSync(fd);
  }
}
