import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { smallSizes, testGraph } from "../../graph/testing/test-graph.ts";
import { findContainer } from "../../image/find-container.ts";
import { imageContext } from "../../image/image-store.ts";
import { settleStore } from "../../image/settle-store.ts";
import { snapshotContainer } from "../../image/snapshot-container.ts";
import { withTemporarySnapshot } from "../../image/temporary-snapshot.ts";
import { blockDiscard } from "../../linux/block-device.ts";
import { receiveContainer, type ReceivedContainer, type ReceiveOptions } from "../receive.ts";
import { sendContainer, type SendOptions } from "../send.ts";
import type { TransferContext } from "../transfer-context.ts";

/** Writes and discards on a device. */
export interface DeviceChange {
  write(offsetBytes: number, data: Uint8Array): void;
  discard(offsetBytes: number, lengthBytes: number): void;
}

/** A graph with containers that stand on no image. */
export class TransferGraph {
  readonly context: TransferContext;
  readonly #stop: () => Promise<void>;

  constructor(context: TransferContext, stop: () => Promise<void>) {
    this.context = context;
    this.#stop = stop;
  }

  get devices(): TransferContext["devices"] {
    return this.context.devices;
  }

  /** Makes a container with an empty device, or with the graph's base file system. @returns its device */
  async container(name: string, sizeBytes?: number): Promise<string> {
    const device = randomBytes(32).toString("hex");
    await (sizeBytes === undefined ? this.devices.create(device) : this.devices.createBlank(device, sizeBytes));
    this.context.files.writeContainer({
      id: device,
      name,
      device,
      imageId: `sha256:${"7".repeat(64)}`,
      image: "app:1",
      created: "2026-01-01T00:00:00Z",
      config: { Cmd: ["/bin/true"] },
      received: true,
    });
    return device;
  }

  deviceOf(name: string): string {
    return findContainer(this.context.files, name).device;
  }

  snapshot(name: string, snapshot: string): Promise<unknown> {
    return snapshotContainer(this.context, name, snapshot);
  }

  async change(name: string, change: (device: DeviceChange) => void): Promise<void> {
    const device = this.deviceOf(name);
    const fd = openSync(await this.devices.activate(device), "r+");
    try {
      change({
        write: (offset, data) => void writeSync(fd, data, 0, data.length, offset),
        discard: (offset, length) => blockDiscard(fd, offset, length),
      });
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    await this.devices.deactivate(device, { whenBusy: "retry" });
  }

  /** The stream of a send. */
  async send(name: string | undefined, options: SendOptions = {}): Promise<Buffer> {
    const output = new PassThrough();
    const [stream] = await Promise.all([buffer(output), sendContainer(this.context, name, output, options)]);
    return stream;
  }

  receive(stream: Uint8Array, options: ReceiveOptions = {}): Promise<ReceivedContainer> {
    const input = new PassThrough();
    input.end(stream);
    return receiveContainer(this.context, input, options);
  }

  /** Runs a task with a block device that has a container's bytes. */
  async reading<T>(name: string, task: (path: string) => Promise<T> | T): Promise<T> {
    return withTemporarySnapshot(this.context, this.deviceOf(name), async (device) => {
      const result = await task(await this.devices.activate(device));
      await this.devices.deactivate(device, { whenBusy: "retry" });
      return result;
    });
  }

  /** Names of all devices but the base. */
  async deviceIds(): Promise<string[]> {
    return (await this.devices.devices()).map(({ id }) => id).filter((id) => id !== "base");
  }

  /** Puts right what the dead left, as the next command does. */
  settle(): Promise<void> {
    return settleStore(this.context);
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}

/** Opens one; undefined, and the test skipped, where the machine cannot. */
export async function transferGraph(t: TestContext, ...options: string[]): Promise<TransferGraph | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  const devices = await graph.open({ storageOptions: [...smallSizes, ...options] });
  return new TransferGraph(imageContext(devices), () => graph.stop());
}

/** Compares two containers' devices byte for byte, and their sizes. @throws with what `cmp` says */
export async function assertSameBytes(
  one: TransferGraph,
  name: string,
  other: TransferGraph,
  otherName = name,
): Promise<void> {
  await one.reading(name, (path) =>
    other.reading(otherName, (otherPath) => execFileSync("cmp", [path, otherPath], { stdio: "pipe" })),
  );
}
