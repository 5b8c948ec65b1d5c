import { errno } from "../linux/system-error.ts";

const numbers = new Map<string, number>(Object.entries(errno));

/** An error's number, negative as request statuses are: -28 for ENOSPC; -EIO where the error has none. */
export function negativeErrno(error: unknown): number {
  if (typeof error !== "object" || error === null) return -errno.EIO;
  if ("errno" in error && typeof error.errno === "number" && error.errno !== 0) return -Math.abs(error.errno);
  const number = "code" in error && typeof error.code === "string" ? numbers.get(error.code) : undefined;
  return -(number ?? errno.EIO);
}
