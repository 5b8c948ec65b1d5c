import { Aio, AioCommand } from "../../linux/aio.ts";
import { errno } from "../../linux/system-error.ts";
import { findHoles, tellStatus } from "./allocation.ts";
import type { ExportedDevice } from "./exported-device.ts";
import { KnownData } from "./known-data.ts";
import { nbdErrorOf } from "./nbd-error.ts";
import { Command, CommandFlag, MAX_REQUEST_BYTES } from "./nbd-protocol.ts";
import { bufferOf, isAllHole, type NbdRequest, type NbdRequests } from "./nbd-request.ts";

/** Requests that the device is given at once; the kernel has a limit for all processes together. */
const DEPTH = 128;
/** The flush's tag; requests have their slots. */
const FLUSH_TAG = 0xffffffff;
/** From here on a read is looked at for holes: to ask costs as much as a small read. */
const HOLES_FROM_BYTES = 32 << 10;
/** How much of a TRIM or WRITE_ZEROES is done at once, before others have their turn. */
const STEP_BYTES = { quick: 256 << 20, slow: 8 << 20 } as const;

/** Does clients' requests on the device. Every request that was begun is finished, once. */
export class ExportIo {
  readonly #device: ExportedDevice;
  readonly #requests: NbdRequests;
  readonly #blockBytes: number;
  readonly #onFinished: (request: NbdRequest) => void;
  readonly #aio = new Aio(DEPTH);
  readonly #known: KnownData;
  /** Transfers that wait for room. */
  #waiting: NbdRequest[] = [];
  /** TRIM and WRITE_ZEROES, which are done step by step; the first is under way. */
  readonly #steps: NbdRequest[] = [];
  /** Those that the flush under way covers, and those that came too late for it. */
  #flushing: NbdRequest[] = [];
  #toFlush: NbdRequest[] = [];
  #flushUnderWay = false;
  readonly #ended = (tag: number, result: number): void => this.#end(tag, result);

  /** @param onFinished told when a request is done, or has failed: see its `error` */
  constructor(
    device: ExportedDevice,
    requests: NbdRequests,
    blockBytes: number,
    onFinished: (request: NbdRequest) => void,
  ) {
    this.#device = device;
    this.#requests = requests;
    this.#blockBytes = blockBytes;
    this.#onFinished = onFinished;
    this.#known = new KnownData(device.sizeBytes, blockBytes);
  }

  /** Readable when there is something to `reap`. */
  get eventFd(): number {
    return this.#aio.eventFd;
  }

  /** Whether there is work to be done without waiting. */
  get hasSteps(): boolean {
    return this.#steps.length > 0;
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#aio.pending === 0 && this.#waiting.length + this.#steps.length + this.#toFlush.length === 0;
  }

  /** Begins a valid request; a WRITE has its payload. */
  begin(request: NbdRequest): void {
    request.done = 0;
    switch (request.command) {
      case Command.READ:
        if (this.#isHole(request)) return this.#onFinished(request);
        return this.#transfer(request);
      case Command.CACHE:
        // So much of it; the rest comes when it is read.
        request.length = Math.min(request.length, MAX_REQUEST_BYTES);
        return this.#transfer(request);
      case Command.WRITE:
        return this.#transfer(request);
      case Command.FLUSH:
        return this.#flush(request);
      case Command.BLOCK_STATUS:
        this.#try(request, () => tellStatus(this.#device, request));
        return this.#onFinished(request);
      default:
        this.#steps.push(request);
    }
  }

  /** Hands what was begun to the kernel. */
  submit(): void {
    if (this.#toFlush.length > 0 && !this.#flushUnderWay) this.#startFlush();
    this.#aio.submit(this.#ended);
  }

  /** Finishes what the kernel has done. */
  reap(): void {
    this.#aio.reap(this.#ended);
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) this.#transfer(request);
  }

  /** Does one step of what is done step by step. */
  step(): void {
    const request = this.#steps[0];
    const trims = request.command === Command.TRIM;
    const keep = (request.flags & CommandFlag.NO_HOLE) !== 0;
    const fast = (request.flags & CommandFlag.FAST_ZERO) !== 0;
    const { hasHoles } = this.#device;
    const begin = request.offset + request.done;
    const end = this.#stepEnd(begin, request, (hasHoles && !keep) || trims ? STEP_BYTES.quick : STEP_BYTES.slow);
    this.#known.forget(begin, end);
    this.#try(request, () => {
      if (trims) this.#device.trim(begin, end - begin);
      else this.#device.zero(begin, end - begin, keep ? "kept" : fast ? "let go or refused" : "let go");
    });
    request.done = end - request.offset;
    if (request.error === 0 && request.done < request.length) return;
    this.#steps.shift();
    this.#written(request);
  }

  /** At the end of a pool block, as parts of blocks cannot be given back. */
  #stepEnd(begin: number, { offset, length }: NbdRequest, bytes: number): number {
    const end = Math.floor((begin + bytes) / this.#blockBytes) * this.#blockBytes;
    return Math.min(offset + length, Math.max(end, begin + 1));
  }

  /** Whether a read is answered without reading, as nothing but zeroes is there. */
  #isHole(request: NbdRequest): boolean {
    request.extents = 0;
    const { offset, length } = request;
    if (!this.#device.hasHoles || length < HOLES_FROM_BYTES || request.connection?.structured !== true) return false;
    if (this.#known.covers(offset, offset + length)) return false;
    this.#try(request, () => findHoles(this.#device, request, this.#known));
    return request.error !== 0 || isAllHole(request);
  }

  #transfer(request: NbdRequest): void {
    const { command, offset, length, done } = request;
    const buffer = bufferOf(request);
    const write = command === Command.WRITE;
    if (!this.#device.isAligned(offset, length)) {
      this.#try(request, () => {
        this.#device.transfer(write ? "write" : "read", buffer.memory, buffer.dataStart, offset, length);
      });
      return write ? this.#written(request) : this.#onFinished(request);
    }
    // One place is the flush's.
    if (this.#aio.pending >= DEPTH - 1) {
      this.#waiting.push(request);
      return;
    }
    const aio = write ? AioCommand.write : AioCommand.read;
    this.#aio.gather(aio, this.#device.fd, buffer.address + done, length - done, offset + done, request.slot);
  }

  #end(tag: number, result: number): void {
    if (tag === FLUSH_TAG) return this.#flushed(result);
    const request = this.#requests.at(tag);
    if (result <= 0) return this.#fail(request, result === 0 ? errno.EIO : -result);
    request.done += result;
    if (request.done < request.length) return this.#transfer(request);
    if (request.command !== Command.WRITE) return this.#onFinished(request);
    this.#known.add(request.offset, request.offset + request.length);
    this.#written(request);
  }

  #fail(request: NbdRequest, number: number): void {
    request.error = nbdErrorOf(number);
    this.#onFinished(request);
  }

  /** A change was made: it is finished, or with FUA waits for a flush. */
  #written(request: NbdRequest): void {
    if (request.error === 0 && (request.flags & CommandFlag.FUA) !== 0) this.#flush(request);
    else this.#onFinished(request);
  }

  /** The next flush that begins covers it. */
  #flush(request: NbdRequest): void {
    this.#toFlush.push(request);
  }

  #startFlush(): void {
    [this.#flushing, this.#toFlush] = [this.#toFlush, this.#flushing];
    this.#flushUnderWay = true;
    this.#aio.gather(AioCommand.syncData, this.#device.fd, 0, 0, 0, FLUSH_TAG);
  }

  #flushed(result: number): void {
    this.#flushUnderWay = false;
    const error = result === -errno.EINVAL ? this.#flushNow() : result < 0 ? nbdErrorOf(-result) : 0;
    for (const request of this.#flushing) {
      request.error = error;
      this.#onFinished(request);
    }
    this.#flushing.length = 0;
  }

  /** Before Linux 4.18 there is no other way. @returns an error of the protocol, or 0 */
  #flushNow(): number {
    try {
      this.#device.flush();
      return 0;
    } catch (error) {
      return errorOf(error);
    }
  }

  #try(request: NbdRequest, task: () => void): void {
    try {
      task();
    } catch (error) {
      request.error = errorOf(error);
    }
  }
}

function errorOf(error: unknown): number {
  const number = error instanceof Error && "errno" in error ? Number(error.errno) : errno.EIO;
  return nbdErrorOf(Math.abs(number));
}
