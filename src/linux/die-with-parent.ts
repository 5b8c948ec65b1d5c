import { call } from "./libc.ts";

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** Has the kernel end this process when the one that started it ends, however it does (prctl(2)). */
export function dieWithParent(): void {
  const declaration = "int prctl(int, ulong, ulong, ulong, ulong)";
  call({ syscall: "prctl(PR_SET_PDEATHSIG)" }, declaration, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
