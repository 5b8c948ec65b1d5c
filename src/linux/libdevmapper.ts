import { readdirSync, readlinkSync } from "node:fs";
import { lastErrno, libc, type LibcFunction } from "./libc.ts";
import { DevmapperAnswer } from "./libdevmapper-answer.ts";
import { bind, libdevmapperLog, number, pointer } from "./libdevmapper-library.ts";
import { type DevmapperRequest, prepare } from "./libdevmapper-request.ts";
import { errno, SystemError } from "./system-error.ts";

const FD_CLOEXEC = 1;
const F_SETFD = 2;

/** The tasks of libdevmapper.h. */
const taskTypes = {
  create: 0,
  reload: 1,
  remove: 2,
  resume: 5,
  info: 6,
  deps: 7,
  rename: 8,
  version: 9,
  status: 10,
  table: 11,
  list: 13,
  clear: 14,
  mknodes: 15,
  targetVersions: 16,
  message: 17,
  setGeometry: 18,
} as const;

/** What libdevmapper is asked to do. */
export type DevmapperTask = keyof typeof taskTypes;

/** A task that was done, or refused. */
type Outcome<T> = ({ done: true; result: T } | { done: false; failure: SystemError }) & { cookie: number };

let controlIsPrivate = false;
/** The wait for udev that is under way on another thread: meanwhile the library must not be called. */
let waiting: Promise<void> | undefined;

/**
 * Does a task, when no other waits for udev; one that makes a uevent (`udevFlags`) ends when udev has dealt with it. Without udev it is done
 * before this returns.
 *
 * @param take what is wanted of the answer
 * @throws SystemError with the kernel's error
 */
export async function devmapper<T>(
  task: DevmapperTask,
  request: DevmapperRequest,
  take: (answer: DevmapperAnswer) => T,
): Promise<T> {
  while (waiting !== undefined) await waiting;
  const outcome = perform(task, request, take);
  if (outcome.cookie !== 0) {
    // Also where the task failed: a cookie that nobody waits for stays in the system.
    waiting = waitForUdev(outcome.cookie).finally(() => (waiting = undefined));
    await waiting;
  }
  return resultOf(outcome);
}

/** As `devmapper`, at once: for tasks without a uevent, while none waits for udev. */
export function devmapperNow<T>(
  task: DevmapperTask,
  request: Omit<DevmapperRequest, "udevFlags">,
  take: (answer: DevmapperAnswer) => T,
): T {
  return resultOf(perform(task, request, take));
}

function resultOf<T>(outcome: Outcome<T>): T {
  if (!outcome.done) throw outcome.failure;
  return outcome.result;
}

/** libdevmapper keeps state between calls and knows nothing of threads: this is for one thread only. */
function perform<T>(task: DevmapperTask, request: DevmapperRequest, take: (answer: DevmapperAnswer) => T): Outcome<T> {
  const handle = pointer("void *dm_task_create(int)")(taskTypes[task]);
  const where = { syscall: `${task} device`, path: request.name };
  if (handle === null) throw new SystemError(errno.ENOMEM, where);
  libdevmapperLog.hold();
  let expected = false;
  try {
    const { complete, cookie } = prepare(handle, request);
    const done = complete && number("int dm_task_run(void *)")(handle) === 1;
    if (!controlIsPrivate) keepControlPrivate();
    // Nodes in /dev are the library's to make where udev does not run.
    if (request.udevFlags !== undefined && cookie === 0) number("int dm_task_update_nodes(void)")();
    if (done) return { done, result: take(new DevmapperAnswer(handle)), cookie };
    const code = complete ? number("int dm_task_get_errno(void *)")(handle) : errno.EINVAL;
    const failure = new SystemError(code === 0 ? errno.EIO : code, where);
    expected = failure.code === request.expected;
    return { done, failure, cookie };
  } finally {
    number("void dm_task_destroy(void *)")(handle);
    libdevmapperLog.release(expected ? "drop errors" : "tell");
  }
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
