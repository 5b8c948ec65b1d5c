import { lastErrno, libc, type LibcFunction } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

// bits/poll.h
const POLLIN = 1;
const POLLOUT = 4;
const WORDS = 2;

/** What is waited for on a descriptor: any of these, or only its failure. */
export const Interest = { none: 0, read: POLLIN, write: POLLOUT } as const;

/** Waits for any of several descriptors, by places that the caller gives them. Allocates nothing. */
export class PollSet {
  readonly #entries: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #poll: LibcFunction;

  /** @param places how many descriptors there may be; a place without one is passed over */
  constructor(places: number) {
    this.#entries = new Int32Array(places * WORDS).fill(-1);
    this.#bytes = new Uint8Array(this.#entries.buffer);
    this.#poll = libc("int poll(void *, ulong, int)");
  }

  /** Puts a descriptor in a place. @param interest `Interest`s, or-ed */
  set(place: number, fd: number, interest: number): void {
    this.#entries[place * WORDS] = fd;
    this.#entries[place * WORDS + 1] = interest; // and nothing has happened yet
  }

  clear(place: number): void {
    this.set(place, -1, Interest.none);
  }

  /** Sleeps until something happens on one of them, or the time is over. @param timeoutMs whole milliseconds, negative for ever */
  wait(timeoutMs: number): void {
    if (this.#poll(this.#bytes, this.#entries.length / WORDS, timeoutMs) >= 0) return;
    const number = lastErrno();
    if (number !== errno.EINTR) throw new SystemError(number, { syscall: "poll" });
    for (let place = 0; place < this.#entries.length / WORDS; place++)
      this.#bytes.fill(0, place * 8 + 6, place * 8 + 8);
  }

  /** Whether the last wait found it readable, or failed, or hung up: reading it tells. */
  readable(place: number): boolean {
    return (this.#happened(place) & ~POLLOUT) !== 0;
  }

  /** Whether the last wait found that it takes data, or has failed. */
  writable(place: number): boolean {
    return (this.#happened(place) & ~POLLIN) !== 0;
  }

  #happened(place: number): number {
    return this.#entries[place * WORDS + 1] >>> 16;
  }
}
