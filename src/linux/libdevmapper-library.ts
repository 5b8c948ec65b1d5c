import type { LibraryHandle } from "koffi";
import { type LibcArgument, loadKoffi } from "./libc.ts";
import { LibdevmapperLog } from "./libdevmapper-log.ts";
import { errno, SystemError } from "./system-error.ts";

const LIBRARY = "libdevmapper.so.1.02.1";

/** An address in C. */
export type Pointer = bigint | null;
export type Call = (...parameters: (LibcArgument | Pointer)[]) => number;
export type PointerCall = (...parameters: (LibcArgument | Pointer)[]) => Pointer;

interface Library {
  handle: LibraryHandle;
  functions: Map<string, unknown>;
}

let library: Library | undefined;
/** Where libdevmapper's messages go. */
export const libdevmapperLog = new LibdevmapperLog();

function load(): Library {
  if (library !== undefined) return library;
  let handle;
  try {
    handle = loadKoffi().load(LIBRARY);
  } catch {
    throw new SystemError(errno.ENOSYS, { syscall: `load ${LIBRARY}` });
  }
  libdevmapperLog.attach(handle);
  library = { handle, functions: new Map() };
  return library;
}

/** Whether the library is installed. */
export function haveLibdevmapper(): boolean {
  try {
    load();
    return true;
  } catch {
    return false;
  }
}

/** Binds a function of the library, once a declaration. */
export function bind(declaration: string): unknown {
  const { handle, functions } = load();
  let found = functions.get(declaration);
  if (found === undefined) functions.set(declaration, (found = handle.func(declaration)));
  return found;
}

/** As `bind`, of a function that returns a number. */
export const number = (declaration: string) => bind(declaration) as Call;
/** As `bind`, of a function that returns an address. */
export const pointer = (declaration: string) => bind(declaration) as PointerCall;

/** "1.02.185 (2022-05-18)". */
export function libdevmapperVersion(): string {
  const buffer = Buffer.alloc(80);
  number("int dm_get_library_version(void *, uint)")(buffer, buffer.length);
  return untilNul(buffer);
}

/** Whether udev runs, and the library waits for it: then nodes in /dev are made by udev, else by the library. */
export function udevSyncSupported(): boolean {
  return number("int dm_udev_get_sync_support(void)")() === 1;
}

/** From now on udev is neither told nor waited for, and the library makes nodes in /dev itself. */
export function turnUdevSyncOff(): void {
  number("void dm_udev_set_sync_support(int)")(0);
}

/** From now on nodes are made in `dir`/mapper; an absolute path. Default /dev. */
export function setDeviceDir(dir: string): void {
  number("int dm_set_dev_dir(const char *)")(dir);
}

/** From now on names and uuids are given and told as the kernel has them; else the library escapes what they may not have, and tells them without. */
export function turnManglingOff(): void {
  const none = 0;
  number("int dm_set_name_mangling_mode(int)")(none);
}

/** A C string in a buffer. */
export function untilNul(buffer: Buffer): string {
  return buffer.toString("latin1", 0, buffer.indexOf(0));
}
