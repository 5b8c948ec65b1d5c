import { lastErrno, libc, type LibcFunction } from "../linux/libc.ts";
import { errno, SystemError } from "../linux/system-error.ts";
import { Notify, OUT_HEADER } from "./fuse-protocol.ts";

/** What `receive` answers when the mount is gone. */
export const UNMOUNTED = -1;
/** What `receive` answers when there was nothing after all. */
export const NOTHING = 0;

/** The open /dev/fuse: whole messages in and out, by libc's own read and write, which throw nothing. */
export class FuseChannel {
  readonly fd: number;
  readonly #read: LibcFunction;
  readonly #write: LibcFunction;

  constructor(fd: number) {
    this.fd = fd;
    this.#read = libc("long read(int, void *, ulong)");
    this.#write = libc("long write(int, const void *, ulong)");
  }

  /** Sleeps until there is a request and reads it. Returns its length, `NOTHING` or `UNMOUNTED`. */
  receive(buffer: Uint8Array): number {
    const length = this.#read(this.fd, buffer, buffer.length);
    if (length > 0) return length;
    const number = lastErrno();
    if (number === errno.ENODEV) return UNMOUNTED;
    // ENOENT: the request was interrupted before it was read.
    if (number === errno.EINTR || number === errno.EAGAIN || number === errno.ENOENT) return NOTHING;
    throw new SystemError(number, { syscall: "read a request from", path: "/dev/fuse" });
  }

  /** Sends the first `length` bytes. ENOENT (the asker has gone) is no failure. */
  send(buffer: Uint8Array, length: number): void {
    if (this.#write(this.fd, buffer, length) === length) return;
    const number = lastErrno();
    if (number === errno.ENOENT || number === errno.ENODEV || number === errno.EINTR) return;
    throw new SystemError(number, { syscall: "answer a request on", path: "/dev/fuse" });
  }

  /** Asks the kernel for all requests that were handed out and not answered (Linux ≥ 6.9). Whether it will. */
  requestResend(): boolean {
    const message = Buffer.alloc(OUT_HEADER);
    message.writeUInt32LE(OUT_HEADER, 0);
    message.writeInt32LE(Notify.RESEND, 4);
    return this.#write(this.fd, message, OUT_HEADER) === OUT_HEADER;
  }
}
