import { closeSync } from "node:fs";
import { callAsync } from "../linux/libc.ts";
import { pidfdOpen } from "../linux/pidfd.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

const POLLIN = 1;

/** Waits, on a worker thread, until a process ended, whosever child it is. */
export async function waitForEnd(process: ProcessIdentity): Promise<void> {
  let pidfd;
  try {
    pidfd = pidfdOpen(process.pid);
  } catch {
    return;
  }
  try {
    const pollFd = Buffer.alloc(8);
    pollFd.writeInt32LE(pidfd, 0);
    pollFd.writeInt32LE(POLLIN, 4);
    while (isAlive(process)) {
      // Signals interrupt it; a second is long enough to ask again.
      await callAsync({ syscall: "wait for a process" }, "int poll(void *, ulong, int)", pollFd, 1, 1000).catch(
        () => 0,
      );
    }
  } finally {
    closeSync(pidfd);
  }
}
