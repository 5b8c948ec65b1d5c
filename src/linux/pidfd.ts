import { call } from "./libc.ts";

// The same numbers on every architecture: they came after the tables were unified.
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const syscall = "long syscall(long, long, long, long, long)";

/** A descriptor that stands for a process, and never for a later one with its number. ESRCH when there is none. */
export function pidfdOpen(pid: number): number {
  return call({ syscall: `open process ${pid}` }, syscall, SYS_pidfd_open, pid, 0, 0, 0);
}

/** A duplicate, in this process, of another process's descriptor (close-on-exec). */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return call({ syscall: "take another process's descriptor" }, syscall, SYS_pidfd_getfd, pidfd, fd, 0, 0);
}

/** Sends a signal by number to the process; 0 only asks whether it lives. */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  call({ syscall: "signal a process" }, syscall, SYS_pidfd_send_signal, pidfd, signal, 0, 0);
}
