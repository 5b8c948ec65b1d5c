import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { errorCode } from "./system-error.ts";

/** The most a socket's path may have (sun_path of unix(7)), in bytes, and what our temporary name adds to its folder. */
const maximumPathBytes = 107;
const temporaryBytes = "/.mica-XXXXXX/s".length;

/** A unix socket that only its owner, root, may connect to. */
export interface PrivateSocket {
  readonly path: string;
  /** Takes the socket away, unless another process has put its own in its place meanwhile. */
  remove(): void;
}

/**
 * Puts a unix socket in its place, with mode 0600. It is bound in a folder that nobody else can enter and then renamed, so that there is no
 * moment at which others could connect, and none at which a socket of that name would not answer. One that a dead process left is replaced.
 *
 * @param path absolute; its folder is made if it is missing
 * @param bind binds a server to the path that it is given, and resolves when it listens
 * @throws Error when the path cannot be a socket's, when a living process listens on it, or when something else is there
 */
export async function placePrivateSocket(
  path: string,
  bind: (temporaryPath: string) => Promise<void>,
): Promise<PrivateSocket> {
  const folder = dirname(path);
  if (!isAbsolute(path)) throw refusal(path, "the path has to be absolute");
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(folder) + temporaryBytes) > maximumPathBytes) {
    throw refusal(
      path,
      `the path is too long for a socket (with the folder's ${temporaryBytes} more, ${maximumPathBytes} bytes)`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSocket() === false) throw refusal(path, "there is something else. Move it away, or choose another path");
  if (there !== undefined && (await answers(path))) {
    throw refusal(path, "another process listens there. Stop it, or choose another path");
  }
  const temporaryFolder = mkdtempSync(join(folder, ".mica-"));
  const temporaryPath = join(temporaryFolder, "s");
  let placed: Stats;
  try {
    await bind(temporaryPath);
    chmodSync(temporaryPath, 0o600);
    placed = statSync(temporaryPath);
    renameSync(temporaryPath, path);
  } finally {
    rmSync(temporaryFolder, { recursive: true, force: true });
  }
  return {
    path,
    remove(): void {
      const now = lstatSync(path, { throwIfNoEntry: false });
      if (now?.ino === placed.ino && now.dev === placed.dev) rmSync(path, { force: true });
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => {
      if (errorCode(error) === "ECONNREFUSED" || errorCode(error) === "ENOENT") resolve(false);
      else reject(error);
    });
  });
}

function refusal(path: string, why: string): Error {
  return new Error(`Cannot listen on '${path}': ${why}`);
}
