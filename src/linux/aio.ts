import { lastErrno, libc, type LibcFunction } from "./libc.ts";
import { addressOf, setWide } from "./memory.ts";
import { errno, SystemError } from "./system-error.ts";

/** The kernel's asynchronous I/O (io_submit(2)) has no functions in libc. Source of the numbers: asm/unistd.h. */
const calls: Partial<Record<string, { setup: number; destroy: number; getEvents: number; submit: number }>> = {
  x64: { setup: 206, destroy: 207, getEvents: 208, submit: 209 },
  arm64: { setup: 0, destroy: 1, getEvents: 4, submit: 2 },
};

// linux/aio_abi.h, in 32-bit words: struct iocb has 16 of them, struct io_event 8.
const IOCB_WORDS = 16;
const EVENT_WORDS = 8;
const Iocb = { data: 0, opcode: 4, fd: 5, buffer: 6, bytes: 8, offset: 10, flags: 14, eventFd: 15 } as const;
const IOCB_FLAG_RESFD = 1;
/** Arrays of that many words lie outside the heap, where nothing is moved. */
const LASTING_WORDS = 64;
const TWO_32 = 0x1_0000_0000;

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** What can be asked for. */
export const AioCommand = { read: 0, write: 1, syncData: 3 } as const;

/** Told that a request has ended: its tag, and bytes done or a negative errno. */
export type AioHandler = (tag: number, result: number) => void;

/**
 * Asynchronous reads, writes and fdatasyncs; asynchronous they are on files opened with O_DIRECT. Requests are gathered, submitted with one system
 * call, and their ends are told by a descriptor that polls as readable. Allocates nothing per request. Memory is given by its address, and has to
 * stay where and as it is until the request has ended.
 */
export class Aio {
  /** Readable when requests have ended. */
  readonly eventFd: number;
  readonly #context: number;
  readonly #numbers: NonNullable<(typeof calls)[string]>;
  readonly #capacity: number;
  readonly #iocbs: Uint32Array;
  readonly #iocbsAddress: number;
  /** Iocbs that are not in use. */
  readonly #free: Int32Array;
  #freeCount: number;
  /** Addresses of the gathered ones, low and high words. */
  readonly #batch: Uint32Array;
  readonly #batchAddress: number;
  #gathered = 0;
  readonly #events: Int32Array;
  readonly #eventsAddress: number;
  readonly #count = Buffer.alloc(8);
  readonly #syscall: LibcFunction;
  readonly #read: LibcFunction;

  /** @param capacity how many requests may be under way */
  constructor(capacity: number) {
    const numbers = calls[process.arch];
    if (numbers === undefined) throw new SystemError(errno.ENOSYS, { syscall: `io_setup on ${process.arch}` });
    this.#numbers = numbers;
    this.#capacity = capacity;
    this.#syscall = libc("long syscall(long, ulong, ulong, ulong, ulong, ulong)");
    this.#read = libc("long read(int, void *, ulong)");
    const context = new Uint32Array(LASTING_WORDS);
    this.#setUp(context);
    this.#context = context[0] + context[1] * TWO_32;
    this.eventFd = this.#check("eventfd", libc("int eventfd(uint, int)")(0, EFD_NONBLOCK | EFD_CLOEXEC));
    this.#iocbs = new Uint32Array(capacity * IOCB_WORDS);
    this.#iocbsAddress = addressOf(this.#iocbs);
    this.#batch = new Uint32Array(capacity * 2);
    this.#batchAddress = addressOf(this.#batch);
    this.#events = new Int32Array(capacity * EVENT_WORDS);
    this.#eventsAddress = addressOf(this.#events);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => index);
    this.#freeCount = capacity;
  }

  /** How many requests are under way or gathered. */
  get pending(): number {
    return this.#capacity - this.#freeCount;
  }

  /**
   * Gathers a request for the next `submit`. There has to be room: see `pending`.
   *
   * @param command of `AioCommand`
   * @param tag a number from 0 to 2^32 - 1 that its end is told with
   */
  gather(command: number, fd: number, address: number, bytes: number, offset: number, tag: number): void {
    const index = this.#free[--this.#freeCount];
    const at = index * IOCB_WORDS;
    const iocb = this.#iocbs;
    iocb.fill(0, at, at + IOCB_WORDS);
    iocb[at + Iocb.data] = tag;
    iocb[at + Iocb.data + 1] = index;
    iocb[at + Iocb.opcode] = command;
    iocb[at + Iocb.fd] = fd;
    setWide(iocb, at + Iocb.buffer, address);
    setWide(iocb, at + Iocb.bytes, bytes);
    setWide(iocb, at + Iocb.offset, offset);
    iocb[at + Iocb.flags] = IOCB_FLAG_RESFD;
    iocb[at + Iocb.eventFd] = this.eventFd;
    setWide(this.#batch, 2 * this.#gathered++, this.#iocbsAddress + at * 4);
  }

  /** Submits what was gathered. One that the kernel refuses is told to `handler` at once. */
  submit(handler: AioHandler): void {
    let done = 0;
    while (done < this.#gathered) {
      const left = this.#gathered - done;
      const taken = this.#syscall(this.#numbers.submit, this.#context, left, this.#batchAddress + done * 8, 0, 0);
      if (taken > 0) {
        done += taken;
        continue;
      }
      const number = taken < 0 ? lastErrno() : errno.EAGAIN;
      if (number === errno.EINTR) continue;
      // The first of them.
      const address = this.#batch[2 * done] + this.#batch[2 * done + 1] * TWO_32;
      const at = (address - this.#iocbsAddress) / 4;
      done++;
      this.#end(this.#iocbs[at + Iocb.data], at / IOCB_WORDS, -number, handler);
    }
    this.#gathered = 0;
  }

  /** Tells `handler` of the requests that have ended. Does not wait. */
  reap(handler: AioHandler): void {
    this.#read(this.eventFd, this.#count, 8);
    const { getEvents } = this.#numbers;
    const count = this.#syscall(getEvents, this.#context, 0, this.#capacity, this.#eventsAddress, 0);
    if (count < 0 && lastErrno() !== errno.EINTR) this.#check("io_getevents", count);
    for (let event = 0; event < count; event++) {
      const at = event * EVENT_WORDS;
      // data: tag, index; obj; res, of which the lower half suffices: requests have less than 2^31 bytes.
      this.#end(this.#events[at] >>> 0, this.#events[at + 1], this.#events[at + 4], handler);
    }
  }

  #end(tag: number, index: number, result: number, handler: AioHandler): void {
    this.#free[this.#freeCount++] = index;
    handler(tag, result);
  }

  #setUp(context: Uint32Array): void {
    const result = this.#syscall(this.#numbers.setup, this.#capacity, addressOf(context), 0, 0, 0);
    const exhausted = result < 0 && lastErrno() === errno.EAGAIN;
    this.#check(exhausted ? "set asynchronous I/O up, as all of sysctl fs.aio-max-nr is in use," : "io_setup", result);
  }

  #check(syscall: string, result: number): number {
    if (result < 0) throw new SystemError(lastErrno(), { syscall });
    return result;
  }
}
