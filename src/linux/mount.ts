import { call, callAsync, type LibcArgument } from "./libc.ts";
import type { SystemErrorContext } from "./system-error.ts";

/** Mount flags of mount(2). */
export const mountFlags = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  synchronous: 16,
  remount: 32,
  noAtime: 1024,
  noDirAtime: 2048,
  bind: 4096,
  move: 8192,
  recursive: 16384,
  silent: 32768,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relAtime: 1 << 21,
  strictAtime: 1 << 24,
} as const;

const MNT_DETACH = 2;
const mountDeclaration = "int mount(const char *, const char *, const char *, ulong, const char *)";
const unmountDeclaration = "int umount2(const char *, int)";

type Call = [SystemErrorContext, string, ...LibcArgument[]];

function mountCall(source: string, target: string, type: string, flags: number, data: string): Call {
  return [{ syscall: `mount '${source}' on`, path: target }, mountDeclaration, source, target, type, flags, data];
}

function unmountCall(target: string, options: { lazy?: boolean }): Call {
  return [{ syscall: "unmount", path: target }, unmountDeclaration, target, options.lazy === true ? MNT_DETACH : 0];
}

/**
 * mount(2).
 *
 * @param flags or-ed values of `mountFlags`
 * @param data the file system's own options, comma-separated
 */
export function mount(source: string, target: string, type: string, flags = 0, data = ""): void {
  call(...mountCall(source, target, type, flags, data));
}

/** `mount` on a worker thread: journal replay and first reads do not stop the event loop. */
export async function mountAsync(source: string, target: string, type: string, flags = 0, data = ""): Promise<void> {
  await callAsync(...mountCall(source, target, type, flags, data));
}

/** umount2(2). Lazy: out of the tree at once, really gone when its last user is. EINVAL when not a mount point, EBUSY when used. */
export function unmount(target: string, options: { lazy?: boolean } = {}): void {
  call(...unmountCall(target, options));
}

/** `unmount` on a worker thread: it writes out everything dirty first. */
export async function unmountAsync(target: string, options: { lazy?: boolean } = {}): Promise<void> {
  await callAsync(...unmountCall(target, options));
}
