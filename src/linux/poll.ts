import { lastErrno, libc, type LibcFunction } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

const POLLIN = 1;
const pollFd = Buffer.alloc(8);
let poll: LibcFunction | undefined;

/**
 * Sleeps until a descriptor can be read, or the time is over.
 *
 * @param timeoutMs whole milliseconds; negative waits for ever
 * @returns whether a read would not block (an error or hang-up counts: the read then says so); false at time-out or signal
 */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  poll ??= libc("int poll(void *, ulong, int)");
  pollFd.writeInt32LE(fd, 0);
  pollFd.writeInt32LE(POLLIN, 4); // events, and revents cleared
  const ready = poll(pollFd, 1, timeoutMs);
  if (ready >= 0) return ready > 0;
  const number = lastErrno();
  if (number === errno.EINTR) return false;
  throw new SystemError(number, { syscall: "poll" });
}
