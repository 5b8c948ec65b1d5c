/** What the benchmark in the kernel times of each system. A container is a device made from the image's. */
export const operations = ["create", "mount", "unmount", "mount again", "unmount again", "remove"] as const;
export type Operation = (typeof operations)[number];

/** The systems that are raced, Mica first. */
export const systems = ["mica", "docker", "containerd"] as const;
export type System = (typeof systems)[number];

/** A line of the table: an operation, or what belongs together. */
export type Row = Operation | "first device" | "create and mount" | "unmount and remove" | "whole container";

/** What the program in the kernel measured: medians in milliseconds. */
export interface KernelFigures {
  fileSystem: "ext4" | "xfs";
  /** Containers that existed in each pool, beside the one under test. */
  containers: number;
  rows: { row: Row; milliseconds: Record<System, number> }[];
}
