import { closeSync } from "node:fs";
import { call } from "./libc.ts";

// socket(2), sendto(2), from the headers of Linux on every architecture that Node runs on but MIPS and SPARC.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/**
 * Takes the address of the service manager's notification socket (sd_notify(3)) out of the environment, so that processes started from
 * here do not inherit it.
 *
 * @returns what tells the service manager something, such as "READY=1"; it does nothing where none asks. It throws SystemError.
 */
export function takeNotifySocket(environment: NodeJS.ProcessEnv): (state: string) => void {
  const address = environment["NOTIFY_SOCKET"];
  delete environment["NOTIFY_SOCKET"];
  if (address === undefined || !/^[/@]/.test(address)) return () => undefined;
  return (state) => sendDatagram(address, state);
}

/** @param address a path, or "@NAME" in the abstract namespace */
function sendDatagram(address: string, text: string): void {
  const context = { syscall: "notify the service manager at", path: address };
  const data = Buffer.from(text);
  const target = socketAddress(address);
  const fd = call(context, "int socket(int, int, int)", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    const sendto = "long sendto(int, void *, ulong, int, void *, uint)";
    call(context, sendto, fd, data, data.length, MSG_NOSIGNAL, target, target.length);
  } finally {
    closeSync(fd);
  }
}

/** struct sockaddr_un: the family, and the name; an abstract one begins with NUL and has no end mark (unix(7)). */
function socketAddress(address: string): Buffer {
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  const name = address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`;
  return Buffer.concat([family, Buffer.from(name)]);
}
