import { statSync, statfsSync } from "node:fs";

/** A file on the host's file system, and what that has left. Bytes. */
export interface HostSpace {
  /** What the file takes of the host's disk; a sparse one takes less than its size. */
  allocated: number;
  /** What whoever is not root can use of the file system, in use and free together, as df counts it. */
  total: number;
  used: number;
  free: number;
}

/** Measures a file and its file system. */
export function hostSpace(path: string): HostSpace {
  const { bsize, blocks, bfree, bavail } = statfsSync(path);
  const [used, free] = [(blocks - bfree) * bsize, bavail * bsize];
  return { allocated: statSync(path).blocks * 512, total: used + free, used, free };
}
