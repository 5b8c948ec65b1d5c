import { readdirSync, readlinkSync } from "node:fs";
import type { LibraryHandle } from "koffi";
import { lastErrno, libc, type LibcArgument, type LibcFunction, loadKoffi } from "./libc.ts";
import { LibdevmapperLog } from "./libdevmapper-log.ts";
import { errno, SystemError } from "./system-error.ts";

const LIBRARY = "libdevmapper.so.1.02.1";
const FD_CLOEXEC = 1;
const F_SETFD = 2;
const S_INFO_WORDS = 12;

/** The tasks of libdevmapper.h. */
const taskTypes = {
  create: 0,
  reload: 1,
  remove: 2,
  suspend: 4,
  resume: 5,
  info: 6,
  deps: 7,
  version: 9,
  status: 10,
  table: 11,
  list: 13,
  mknodes: 15,
  "list versions": 16,
  message: 17,
} as const;

/** What libdevmapper is asked to do. */
export type DevmapperTask = keyof typeof taskTypes;

/** What udev's rules are to leave alone (libdevmapper.h, DM_UDEV_DISABLE_…): bits of a cookie's flags. */
export const udevFlags = { disableSubsystemRules: 2, disableDiskRules: 4, disableOtherRules: 8 } as const;

/** With what. */
export interface DevmapperRequest {
  name?: string;
  uuid?: string;
  target?: { sectors: number; type: string; parameters: string };
  message?: string;
  noFlush?: boolean;
  skipLockfs?: boolean;
  deferred?: boolean;
  /** The task makes a uevent: udev is told with these flags, and waited for. */
  udevFlags?: number;
  /** A failure with this error is an answer: it is not logged. */
  expected?: "ENXIO" | "EBUSY";
}

/** `struct dm_info`. */
export interface DevmapperInfo {
  exists: boolean;
  suspended: boolean;
  liveTable: boolean;
  inactiveTable: boolean;
  openCount: number;
  eventNumber: number;
  major: number;
  minor: number;
  deferredRemove: boolean;
}

/** A line of a table or status. */
export interface DevmapperTarget {
  start: number;
  sectors: number;
  type: string;
  parameters: string;
}

/** What a task gave. Only what belongs to the task is there to be read, and only while it is being taken. */
export interface DevmapperAnswer {
  info(): DevmapperInfo;
  uuid(): string;
  targets(): DevmapperTarget[];
  names(): string[];
  /** Device numbers, "7:0". */
  deps(): string[];
  response(): string;
  /** Targets that the kernel has, with their versions. */
  versions(): Map<string, string>;
  driverVersion(): string;
  /** What udev is waited for with; 0 when there is nothing to wait for. */
  readonly cookie: number;
}

type Pointer = bigint | null;
type Call = (...parameters: (LibcArgument | Pointer)[]) => number;
type PointerCall = (...parameters: (LibcArgument | Pointer)[]) => Pointer;

interface Library {
  handle: LibraryHandle;
  functions: Map<string, unknown>;
}

let library: Library | undefined;
let controlIsPrivate = false;

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

function bind(declaration: string): unknown {
  const { handle, functions } = load();
  let found = functions.get(declaration);
  if (found === undefined) functions.set(declaration, (found = handle.func(declaration)));
  return found;
}

const number = (declaration: string) => bind(declaration) as Call;
const pointer = (declaration: string) => bind(declaration) as PointerCall;

/**
 * Does a task, at once: libdevmapper keeps state between calls and knows nothing of threads, so it is called by one thread only.
 *
 * @param take what is wanted of the answer
 * @throws SystemError with the kernel's error
 */
export function devmapper<T>(task: DevmapperTask, request: DevmapperRequest, take: (answer: DevmapperAnswer) => T): T {
  const handle = pointer("void *dm_task_create(int)")(taskTypes[task]);
  const where = { syscall: `${task} device`, path: request.name };
  if (handle === null) throw new SystemError(errno.ENOMEM, where);
  libdevmapperLog.hold();
  let failure: SystemError | undefined;
  try {
    const cookie = prepare(handle, request);
    const done = cookie !== undefined && number("int dm_task_run(void *)")(handle) === 1;
    if (!controlIsPrivate) keepControlPrivate();
    if (request.udevFlags !== undefined) number("int dm_task_update_nodes(void)")();
    if (done) return take(new Answer(handle, cookie));
    const code = cookie === undefined ? errno.EINVAL : number("int dm_task_get_errno(void *)")(handle);
    failure = new SystemError(code === 0 ? errno.EIO : code, where);
    throw failure;
  } finally {
    (bind("void dm_task_destroy(void *)") as Call)(handle);
    const expected = failure !== undefined && failure.code === request.expected;
    libdevmapperLog.release(expected ? "drop errors" : "tell");
  }
}

/** Sets a task's parameters. The cookie, 0 where none is needed; undefined when the library refused one of them. */
function prepare(task: Pointer, request: DevmapperRequest): number | undefined {
  const settings: number[] = [];
  const { name, uuid, target, message } = request;
  if (name !== undefined) settings.push(number("int dm_task_set_name(void *, const char *)")(task, name));
  if (uuid !== undefined) settings.push(number("int dm_task_set_uuid(void *, const char *)")(task, uuid));
  if (target !== undefined) {
    const add = number("int dm_task_add_target(void *, uint64, uint64, const char *, const char *)");
    settings.push(add(task, 0, target.sectors, target.type, target.parameters));
  }
  if (message !== undefined) {
    settings.push(number("int dm_task_set_sector(void *, uint64)")(task, 0));
    settings.push(number("int dm_task_set_message(void *, const char *)")(task, message));
  }
  if (request.noFlush === true) settings.push(number("int dm_task_no_flush(void *)")(task));
  if (request.skipLockfs === true) settings.push(number("int dm_task_skip_lockfs(void *)")(task));
  if (request.deferred === true) settings.push(number("int dm_task_deferred_remove(void *)")(task));
  const cookie = Buffer.alloc(4);
  if (request.udevFlags !== undefined) {
    settings.push(number("int dm_task_set_cookie(void *, void *, uint16)")(task, cookie, request.udevFlags));
  }
  return settings.every((done) => done === 1) ? cookie.readUInt32LE() : undefined;
}

class Answer implements DevmapperAnswer {
  readonly cookie: number;
  readonly #task: Pointer;

  constructor(task: Pointer, cookie: number) {
    this.#task = task;
    this.cookie = cookie;
  }

  info(): DevmapperInfo {
    const words = new Int32Array(2 * S_INFO_WORDS); // with room for what a newer library adds
    number("int dm_task_get_info(void *, void *)")(this.#task, Buffer.from(words.buffer));
    const [exists, suspended, liveTable, inactiveTable, openCount, eventNumber, major, minor, , , deferred] = words;
    return {
      exists: exists !== 0,
      suspended: suspended !== 0,
      liveTable: liveTable !== 0,
      inactiveTable: inactiveTable !== 0,
      openCount,
      eventNumber: eventNumber >>> 0,
      major,
      minor,
      deferredRemove: deferred !== 0,
    };
  }

  uuid(): string {
    return text(pointer("void *dm_task_get_uuid(void *)")(this.#task));
  }

  targets(): DevmapperTarget[] {
    const next = pointer("void *dm_get_next_target(void *, void *, void *, void *, void *, void *)");
    const targets: DevmapperTarget[] = [];
    const place = Buffer.alloc(32);
    let at: Pointer = null;
    do {
      at = next(
        this.#task,
        at,
        place.subarray(0, 8),
        place.subarray(8, 16),
        place.subarray(16, 24),
        place.subarray(24),
      );
      const type = place.readBigUInt64LE(16);
      if (type === 0n) continue; // no target at all
      const [start, sectors] = [Number(place.readBigUInt64LE(0)), Number(place.readBigUInt64LE(8))];
      targets.push({ start, sectors, type: text(type), parameters: text(place.readBigUInt64LE(24)).trim() });
    } while (at !== null);
    return targets;
  }

  names(): string[] {
    // struct dm_names: u64 dev, u32 offset of the next, the name. Without devices there is one, of device 0.
    const list = pointer("void *dm_task_get_names(void *)")(this.#task);
    if (list === null || BigInt(loadKoffi().decode.uint64(list)) === 0n) return [];
    return [...records(list, 8n)].map((at) => text(at + 12n));
  }

  deps(): string[] {
    // struct dm_deps: u32 count, u32 filler, u64 device numbers
    const list = pointer("void *dm_task_get_deps(void *)")(this.#task);
    if (list === null) return [];
    const { decode } = loadKoffi();
    return Array.from({ length: decode.uint32(list) }, (_, index) =>
      numbers(decode.uint64(list + 8n + 8n * BigInt(index))),
    );
  }

  response(): string {
    return text(pointer("void *dm_task_get_message_response(void *)")(this.#task)).trim();
  }

  versions(): Map<string, string> {
    // struct dm_versions: u32 offset of the next, u32[3] version, the name
    const list = pointer("void *dm_task_get_versions(void *)")(this.#task);
    const { decode } = loadKoffi();
    const version = (at: bigint) => [4n, 8n, 12n].map((offset) => decode.uint32(at + offset)).join(".");
    return new Map([...records(list, 0n)].map((at) => [text(at + 16n), version(at)]));
  }

  driverVersion(): string {
    const buffer = Buffer.alloc(80);
    number("int dm_task_get_driver_version(void *, void *, uint)")(this.#task, buffer, buffer.length);
    return untilNul(buffer);
  }
}

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

/** The wait for udev that is under way on another thread: meanwhile the library must not be called. */
let waiting: Promise<void> | undefined;

/**
 * As `devmapper`, when no other call waits for udev; one that makes a uevent (`udevFlags`) returns when udev has dealt with it. Without udev
 * the task is done before this returns.
 */
export async function devmapperInTurn<T>(
  task: DevmapperTask,
  request: DevmapperRequest,
  take: (answer: DevmapperAnswer) => T,
): Promise<T> {
  while (waiting !== undefined) await waiting;
  const { result, cookie } = devmapper(task, request, (answer) => ({ result: take(answer), cookie: answer.cookie }));
  if (cookie !== 0) {
    waiting = waitForUdev(cookie).finally(() => (waiting = undefined));
    await waiting;
  }
  return result;
}

/** On another thread: udev's rules may take long. */
function waitForUdev(cookie: number): Promise<void> {
  const wait = bind("int dm_udev_wait(uint32)") as LibcFunction;
  return new Promise((resolve) => {
    // It fails only where the cookie is gone, and then there is nothing to wait for.
    wait.async(cookie, () => resolve());
  });
}

/** The library opens its control device so that programs that are started would inherit it, containers too. */
function keepControlPrivate(): void {
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (!readlinkSync(`/proc/self/fd/${fd}`).endsWith("/mapper/control")) continue;
    } catch {
      continue; // the descriptor that this very listing used
    }
    if (libc("int fcntl(int, int, int)")(Number(fd), F_SETFD, FD_CLOEXEC) === -1) {
      throw new SystemError(lastErrno(), { syscall: "close on exec", path: "/dev/mapper/control" });
    }
    controlIsPrivate = true;
  }
}

/** The records of a list, each of which begins with, or has at `offset`, how far away the next one is. */
function* records(first: Pointer, offset: bigint): IterableIterator<bigint> {
  for (let at = first; at !== null;) {
    yield at;
    const distance = loadKoffi().decode.uint32(at + offset);
    at = distance === 0 ? null : at + BigInt(distance);
  }
}

function numbers(device: number | bigint): string {
  // As the kernel packs a device number for programs (new_encode_dev widened): 12 bits of major, 20 of minor, split.
  const word = BigInt(device);
  return `${(word >> 8n) & 0xfffn}:${(word & 0xffn) | ((word >> 12n) & 0xfff00n)}`;
}

function text(at: Pointer): string {
  return at === null || at === 0n ? "" : loadKoffi().decode.string(at);
}

function untilNul(buffer: Buffer): string {
  return buffer.toString("latin1", 0, buffer.indexOf(0));
}
