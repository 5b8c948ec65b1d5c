import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import type { DeviceSet } from "../graph/device-set.ts";
import type { MountWish } from "../graph/devices/mounted-devices.ts";
import { KeyedQueue } from "../graph/locks/keyed-queue.ts";
import { applyLayer } from "../layer/apply.ts";
import type { OwnerMaps } from "../layer/owner-map.ts";
import type { CallsUnderWay, CallUnderWay } from "./calls-under-way.ts";
import type { DockerMounts } from "./docker-mounts.ts";
import type { KnownLayers } from "./known-layers.ts";
import { RequestError } from "./protocol.ts";
import { undoApply } from "./undo-apply.ts";

/** How a device was made. */
interface Making {
  parent: string | undefined;
  sizeBytes: number | undefined;
}

/** What layer devices are kept with. */
export interface LayerDevicesParts {
  devices: DeviceSet;
  mounts: DockerMounts;
  underWay: CallsUnderWay;
  known: KnownLayers;
  log: Logger;
}

/** A layer on its way in. */
export interface IncomingLayer {
  tar: Readable;
  /** Of a user namespace. */
  owners: OwnerMaps;
  /** Whether who sends it still waits for an answer. */
  isSenderThere: () => boolean;
}

/**
 * The devices of Docker's layers, made and filled so that it may ask again for what it got no answer to: when a connection breaks, its
 * client repeats the request for half a minute. A repeated Create, where it has its body still, is answered as the first one would have been. A repeated ApplyDiff carries
 * only the part of the tar that was not sent yet, and nothing tells that part from a whole tar, so it is refused, and Docker gives the layer
 * up. Whatever fails or breaks off in the middle leaves a device as it was before.
 */
export class LayerDevices {
  readonly #parts: LayerDevicesParts;
  readonly #queue = new KeyedQueue<string>();
  /** Those made by this process to which no layer's tar broke off: the first bytes that come for them are a tar's first. */
  readonly #whole = new Set<string>();
  /** Of those, the ones that were not written to since: what they were made from is what they hold. */
  readonly #untouched = new Map<string, Making>();
  /** Docker may not know that they were made. */
  readonly #unanswered = new Map<string, Making>();
  /** The same of a process that died, perhaps before they were completed. */
  readonly #begun: Map<string, Making>;

  private constructor(parts: LayerDevicesParts, begun: Map<string, Making>) {
    this.#parts = parts;
    this.#begun = begun;
  }

  /** Undoes first what a process that died in the middle left half done. */
  static async open(parts: LayerDevicesParts): Promise<LayerDevices> {
    const { devices, underWay, log } = parts;
    const begun = new Map<string, Making>();
    for (const [id, call] of underWay.all()) {
      try {
        if (call.call === "create" && (await devices.exists(id))) {
          begun.set(id, { parent: call.parent, sizeBytes: call.sizeBytes });
          continue;
        }
        if (call.call === "apply") await undoApply(devices, id, call);
        underWay.end(id);
      } catch (error) {
        log.error({ device: id, error }, "a layer that was being unpacked when the daemon died is still half there");
      }
    }
    return new LayerDevices(parts, begun);
  }

  /** Makes a device, as a snapshot of its parent or of the base. Docker is to be told, and then `answered` called. */
  create(id: string, making: Making): Promise<void> {
    return this.#queue.run(id, async () => {
      const { parent, sizeBytes } = making;
      const { devices, underWay } = this.#parts;
      const isThere = sameMaking(this.#unanswered.get(id), making) && (await devices.exists(id));
      if (!isThere) {
        if (sameMaking(this.#begun.get(id), making)) await devices.remove(id);
        underWay.begin(id, { call: "create", ...making });
        try {
          await devices.create(id, parent, sizeBytes === undefined ? {} : { sizeBytes });
        } catch (error) {
          underWay.end(id);
          throw error;
        }
      }
      if (parent !== undefined) this.answered(parent);
      this.#parts.known.add(id);
      this.#begun.delete(id);
      this.#unanswered.set(id, making);
      this.#whole.add(id);
      this.#untouched.set(id, making);
    });
  }

  /** Docker knows that a device was made. */
  answered(id: string): void {
    this.#parts.known.add(id);
    this.#forgetUnanswered(id);
  }

  #forgetUnanswered(id: string): void {
    const known = [this.#unanswered.delete(id), this.#begun.delete(id)];
    if (known.includes(true)) this.#parts.underWay.end(id);
  }

  /** No error for an unknown one. */
  remove(id: string): Promise<void> {
    return this.#queue.run(id, async () => {
      this.#forgetUnanswered(id);
      this.#whole.delete(id);
      this.#untouched.delete(id);
      await this.#parts.devices.remove(id);
      this.#parts.known.remove(id);
    });
  }

  /** Mounts one, to be written to. @returns the path of its root file system */
  async mount(id: string, wish: MountWish): Promise<string> {
    this.#untouched.delete(id);
    const path = await this.#parts.mounts.get(id, wish);
    this.answered(id);
    return path;
  }

  /**
   * Unpacks a layer's tar onto a device; it is on disk when this resolves.
   *
   * @returns bytes of its files
   * @throws RequestError for what may be only the rest of a tar; LayerError for a tar that is damaged or may not be unpacked
   */
  apply(id: string, layer: IncomingLayer): Promise<number> {
    return this.#queue.run(id, async () => {
      const device = await this.#parts.devices.device(id);
      if (device === undefined || device.deleted) {
        throw new RequestError(404, `Cannot unpack a layer: there is no device ${id}`);
      }
      this.answered(id);
      if (!this.#whole.has(id)) {
        // Once: who has been told so and comes again begins anew.
        this.#whole.add(id);
        throw new RequestError(
          409,
          `Cannot unpack a layer onto ${id}: it may have been cut off in between, as the daemon was started after the device was made, or ` +
            "the connection broke. Nothing of it is left; pull, load or build it again",
        );
      }
      const undo = await this.#prepareUndo(id, device.sizeBytes);
      try {
        const bytes = await this.#unpack(id, layer);
        if (undo?.sourceIsCopy === true && undo.source !== undefined) await this.#parts.devices.remove(undo.source);
        // Before the answer: what Docker knows to be there must not be undone.
        this.#parts.underWay.end(id);
        return bytes;
      } catch (error) {
        if (!layer.isSenderThere()) this.#whole.delete(id);
        await this.#undo(id, undo);
        throw error;
      }
    });
  }

  /** @returns how to make the device what it is now; undefined where it is mounted for Docker, and so cannot be made anew */
  async #prepareUndo(id: string, sizeBytes: number): Promise<(CallUnderWay & { call: "apply" }) | undefined> {
    const { devices, mounts, underWay } = this.#parts;
    const making = this.#untouched.get(id);
    this.#untouched.delete(id);
    if (mounts.has(id)) return undefined;
    const source = making === undefined ? randomBytes(32).toString("hex") : making.parent;
    const undo = { call: "apply", source, sourceIsCopy: making === undefined, sizeBytes } as const;
    underWay.begin(id, undo);
    try {
      if (undo.sourceIsCopy) await devices.create(undo.source!, id);
      return undo;
    } catch (error) {
      underWay.end(id);
      throw error;
    }
  }

  async #unpack(id: string, { tar, owners }: IncomingLayer): Promise<number> {
    const { devices, log } = this.#parts;
    const mounting = devices.get(id);
    try {
      const { contentBytes, warnings } = await applyLayer(tar, mounting, { owners });
      for (const warning of warnings) log.warn({ device: id }, warning);
      return contentBytes;
    } finally {
      if ((await Promise.allSettled([mounting]))[0].status === "fulfilled") await devices.put(id);
    }
  }

  async #undo(id: string, undo: (CallUnderWay & { call: "apply" }) | undefined): Promise<void> {
    const { devices, underWay, log } = this.#parts;
    try {
      if (undo !== undefined) await undoApply(devices, id, undo);
      underWay.end(id);
    } catch (error) {
      log.error({ device: id, error }, "a layer that was not unpacked whole is still half there");
    }
  }
}

function sameMaking(before: Making | undefined, now: Making): boolean {
  return before !== undefined && before.parent === now.parent && before.sizeBytes === now.sizeBytes;
}
