import { number, type Pointer } from "./libdevmapper-library.ts";

/**
 * What udev's rules are to leave alone (libdevmapper.h, DM_UDEV_DISABLE_…): bits of a cookie's flags. `libraryFallback`: the library does not make
 * right what udev did not do.
 */
export const udevFlags = {
  disableDmRules: 1,
  disableSubsystemRules: 2,
  disableDiskRules: 4,
  disableOtherRules: 8,
  disableLibraryFallback: 32,
} as const;

/** When the library makes a device's node where udev does not (libdevmapper.h, dm_add_node_t). */
const addNode = { "on resume": 0, "on create": 1 } as const;

/** A line of a table that is to be loaded. */
export interface DevmapperSegment {
  /** In sectors. Default 0. */
  start?: number;
  sectors: number;
  type: string;
  parameters: string;
}

/** What a task is given. */
export interface DevmapperRequest {
  name?: string;
  uuid?: string;
  /** The minor number that a new device is to have. */
  minor?: number;
  targets?: readonly DevmapperSegment[];
  readOnly?: boolean;
  message?: string;
  /** The target that a message is for has this sector. Default 0. */
  sector?: number;
  newName?: string;
  newUuid?: string;
  /** Cylinders, heads, sectors, and the first sector. */
  geometry?: readonly [string, string, string, string];
  noFlush?: boolean;
  noLockFs?: boolean;
  /** Ask about the table that was loaded and waits, not the one in force. */
  inactive?: boolean;
  deferred?: boolean;
  addNode?: keyof typeof addNode;
  /** The task makes a uevent: udev is told with these flags, and waited for. */
  udevFlags?: number;
  /** A failure with this error is an answer: it is not logged. */
  expected?: "ENXIO" | "EBUSY";
}

/** Sets a task's parameters; not complete when the library refused one of them. The cookie is 0 where none is needed. */
export function prepare(task: Pointer, request: DevmapperRequest): { complete: boolean; cookie: number } {
  const settings: number[] = [];
  const setText = (what: string, value: string | undefined) => {
    if (value === undefined) return;
    settings.push(number(`int dm_task_set_${what}(void *, const char *)`)(task, value));
  };
  const turnOn = (what: string, wanted: boolean | undefined) => {
    if (wanted === true) settings.push(number(`int dm_task_${what}(void *)`)(task));
  };
  const { name, uuid, newName, newUuid, message, sector = 0, geometry } = request;
  setText("name", name);
  setText("uuid", uuid);
  setText("newname", newName);
  setText("newuuid", newUuid);
  if (request.minor !== undefined) settings.push(number("int dm_task_set_minor(void *, int)")(task, request.minor));
  for (const { start = 0, sectors, type, parameters } of request.targets ?? []) {
    const add = number("int dm_task_add_target(void *, uint64, uint64, const char *, const char *)");
    settings.push(add(task, start, sectors, type, parameters));
  }
  if (message !== undefined) {
    settings.push(number("int dm_task_set_sector(void *, uint64)")(task, sector));
    setText("message", message);
  }
  if (geometry !== undefined) {
    const set = number("int dm_task_set_geometry(void *, const char *, const char *, const char *, const char *)");
    settings.push(set(task, ...geometry));
  }
  turnOn("set_ro", request.readOnly);
  turnOn("no_flush", request.noFlush);
  turnOn("skip_lockfs", request.noLockFs);
  turnOn("query_inactive_table", request.inactive);
  turnOn("deferred_remove", request.deferred);
  if (request.addNode !== undefined) {
    settings.push(number("int dm_task_set_add_node(void *, int)")(task, addNode[request.addNode]));
  }
  const cookie = Buffer.alloc(4);
  if (request.udevFlags !== undefined) {
    settings.push(number("int dm_task_set_cookie(void *, void *, uint16)")(task, cookie, request.udevFlags));
  }
  return { complete: settings.every((done) => done === 1), cookie: cookie.readUInt32LE() };
}
