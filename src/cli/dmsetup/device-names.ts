import { unmangle } from "./device-text.ts";
import { type DeviceNumber, kernelName, sameNumber } from "./device-numbers.ts";
import { badLine } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";

const ways = ["devno", "devname", "blkdevname"] as const;

/** What devices are called on output, as -o of `ls` and `deps` has it. */
export class DeviceNames {
  readonly #session: Session;
  readonly #way: (typeof ways)[number];

  /** @throws DmsetupFailure for a way that there is not */
  constructor(session: Session) {
    const wanted = session.line.value("options") ?? "devno";
    const way = ways.find((known) => known === wanted);
    if (way === undefined) throw badLine(`Option not recognised: ${wanted}.`);
    this.#session = session;
    this.#way = way;
  }

  /** @param number what stands for a device that is to be told by its number, or has no other name */
  async nameOf(device: DeviceNumber, number: string): Promise<string> {
    const kernels = this.#way === "devno" ? undefined : kernelName(device);
    if (kernels === undefined) return number;
    if (this.#way === "blkdevname") return kernels;
    const mapped = (await (await this.#session.devices()).list()).find((other) => sameNumber(other, device));
    return mapped === undefined ? kernels : unmangle(mapped.name, this.#session.mangling);
  }
}
