import { MAX_WRITE } from "./fuse-protocol.ts";

/**
 * The mount data of a FUSE file system whose /dev/fuse is open as `fd` in this process (Documentation/filesystems/fuse.rst).
 * allow_other: loop devices read and write from kernel threads.
 */
export function fuseMountData(fd: number): string {
  return `fd=${fd},rootmode=040000,user_id=0,group_id=0,allow_other,max_read=${MAX_WRITE}`;
}
