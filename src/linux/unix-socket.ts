import { lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

// bits/socket.h
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** The longest path, in bytes: sun_path of unix(7). */
const mostPathBytes = 107;

/**
 * Listens on a unix socket, for programs that wait in system calls and not in an event loop. A descriptor that does not block.
 *
 * @param path where nothing is yet
 * @param backlog how many clients may wait to be accepted
 */
export function listenUnix(path: string, backlog: number): number {
  const name = Buffer.from(path);
  if (name.length > mostPathBytes) throw new SystemError(errno.ENAMETOOLONG, { syscall: "listen on", path });
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const check = (syscall: string, result: number): number => {
    if (result < 0) throw new SystemError(lastErrno(), { syscall, path });
    return result;
  };
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check("make a socket for", libc("int socket(int, int, int)")(AF_UNIX, type, 0));
  try {
    check("listen on", libc("int bind(int, const void *, uint)")(fd, address, address.length));
    check("listen on", libc("int listen(int, int)")(fd, backlog));
  } catch (error) {
    libc("int close(int)")(fd);
    throw error;
  }
  return fd;
}

/** The next client, as a descriptor that does not block; -1 when none waits, or it has gone. */
export function acceptUnix(listeningFd: number): number {
  return libc("int accept4(int, void *, void *, int)")(listeningFd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
