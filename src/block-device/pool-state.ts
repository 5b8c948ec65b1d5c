import { readFileSync } from "node:fs";
import { bootId } from "../linux/boot-id.ts";
import type { PoolPaths } from "./pool-paths.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { replaceFile } from "./replace-file.ts";

/** Who serves a pool. Written by its supervisor. */
export interface PoolState {
  name: string;
  bootId: string;
  supervisor: ProcessIdentity;
  engine?: ProcessIdentity | undefined;
  /** Why the pool cannot serve: its engine was given up. */
  failure?: string | undefined;
}

/** The state of a pool started in this boot, or undefined. */
export function readPoolState(paths: PoolPaths): PoolState | undefined {
  let state;
  try {
    state = JSON.parse(readFileSync(paths.state, "utf8")) as PoolState;
  } catch {
    return undefined;
  }
  return state.bootId === bootId() ? state : undefined;
}

export function writePoolState(paths: PoolPaths, state: PoolState): void {
  replaceFile(paths.state, JSON.stringify(state));
}
