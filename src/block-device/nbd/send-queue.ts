import { addressOf, setWide } from "../../linux/memory.ts";
import { lastErrno, libc, type LibcFunction } from "../../linux/libc.ts";
import { errno } from "../../linux/system-error.ts";
import type { NbdRequest } from "./nbd-request.ts";

/** Pieces that one system call sends at most. */
const BATCH = 64;

/** Bytes that go out on one socket, in order, from where they lie. Allocates nothing while it has room. */
export class SendQueue {
  readonly #fd: number;
  readonly #onSent: (request: NbdRequest) => void;
  readonly #writev: LibcFunction;
  /** Rings of the pieces, as long as each other: a power of two. */
  #addresses = new Float64Array(256);
  #lengths = new Float64Array(256);
  #owners: (NbdRequest | Buffer | undefined)[] = new Array<undefined>(256).fill(undefined);
  #head = 0;
  #count = 0;
  readonly #vector = new Uint32Array(BATCH * 4);
  readonly #vectorAddress = addressOf(this.#vector);

  /** @param onSent told of each request whose last piece was sent: its memory is free */
  constructor(fd: number, onSent: (request: NbdRequest) => void) {
    this.#fd = fd;
    this.#onSent = onSent;
    this.#writev = libc("long writev(int, ulong, int)");
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** @param owner the request that ends with this piece; or what keeps the memory */
  add(address: number, bytes: number, owner?: NbdRequest | Buffer): void {
    if (this.#count === this.#lengths.length) this.#grow();
    const at = (this.#head + this.#count++) & (this.#lengths.length - 1);
    this.#addresses[at] = address;
    this.#lengths[at] = bytes;
    this.#owners[at] = owner;
  }

  /** Memory of its own, kept until it is sent. */
  addBytes(bytes: Buffer): void {
    const kept = Buffer.allocUnsafeSlow(Math.max(128, bytes.length)); // long enough to lie where it is not moved
    bytes.copy(kept);
    this.add(addressOf(kept), bytes.length, kept);
  }

  /** Sends what the socket takes. @returns false when the client has gone */
  send(): boolean {
    while (this.#count > 0) {
      const pieces = Math.min(this.#count, BATCH);
      let bytes = 0;
      for (let piece = 0; piece < pieces; piece++) {
        const at = (this.#head + piece) & (this.#lengths.length - 1);
        setWide(this.#vector, piece * 4, this.#addresses[at]);
        setWide(this.#vector, piece * 4 + 2, this.#lengths[at]);
        bytes += this.#lengths[at];
      }
      const sent = this.#writev(this.#fd, this.#vectorAddress, pieces);
      if (sent < 0) {
        const number = lastErrno();
        if (number === errno.EINTR) continue;
        return number === errno.EAGAIN;
      }
      this.#drop(sent);
      if (sent < bytes) return true;
    }
    return true;
  }

  /** Forgets what was not sent. */
  clear(): void {
    for (; this.#count > 0; this.#shift());
  }

  #drop(sent: number): void {
    let left = sent;
    while (this.#count > 0 && left >= this.#lengths[this.#head]) {
      left -= this.#lengths[this.#head];
      this.#shift();
    }
    if (left === 0) return;
    this.#addresses[this.#head] += left;
    this.#lengths[this.#head] -= left;
  }

  #shift(): void {
    const owner = this.#owners[this.#head];
    this.#owners[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#lengths.length - 1);
    this.#count--;
    if (owner !== undefined && !Buffer.isBuffer(owner)) this.#onSent(owner);
  }

  #grow(): void {
    const size = this.#lengths.length;
    const order = Array.from({ length: size }, (_, index) => (this.#head + index) & (size - 1));
    const addresses = new Float64Array(2 * size);
    const lengths = new Float64Array(2 * size);
    for (const [index, at] of order.entries()) {
      addresses[index] = this.#addresses[at];
      lengths[index] = this.#lengths[at];
    }
    this.#owners = [...order.map((at) => this.#owners[at]), ...new Array<undefined>(size).fill(undefined)];
    this.#addresses = addresses;
    this.#lengths = lengths;
    this.#head = 0;
  }
}
