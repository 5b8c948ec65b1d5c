import { call } from "./libc.ts";

const CLOCK_REALTIME = 0;

/** The time of day to the nanosecond, as nanoseconds since 1970: Date.now() rounds to milliseconds, so that it may lie before what just happened. */
export function realTimeNs(): bigint {
  const timespec = Buffer.alloc(16);
  call({ syscall: "read the clock" }, "int clock_gettime(int, void *)", CLOCK_REALTIME, timespec);
  return timespec.readBigInt64LE(0) * 1_000_000_000n + timespec.readBigInt64LE(8);
}
