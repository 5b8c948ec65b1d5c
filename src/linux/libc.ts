import { createRequire } from "node:module";
import type koffiModule from "koffi";
import type { LibraryHandle } from "koffi";
import { SystemError, type SystemErrorContext } from "./system-error.ts";

/** What a bound function takes. 64-bit numbers may be given as number (if safe) or bigint. */
export type LibcArgument = number | bigint | string | Uint8Array | null;
/** A bound function of libc: returns what C returns; 64-bit results are numbers where they are safe. */
export interface LibcFunction {
  (...parameters: LibcArgument[]): number;
  async(...parameters: (LibcArgument | ((error: unknown, result: number) => void))[]): void;
}

let koffi: typeof koffiModule | undefined;
let library: LibraryHandle | undefined;
const bound = new Map<string, LibcFunction>();

/** koffi itself, loaded at first use: a command that makes no system call of its own does not pay for it. */
export function loadKoffi(): typeof koffiModule {
  koffi ??= createRequire(import.meta.url)("koffi") as typeof koffiModule;
  return koffi;
}

/**
 * Binds a function of the C library, once a declaration.
 *
 * @example `libc("int fallocate(int, int, int64, int64)")(fd, 3, offset, length)`
 */
export function libc(declaration: string): LibcFunction {
  let found = bound.get(declaration);
  if (found === undefined) {
    library ??= loadKoffi().load(null);
    found = library.func(declaration) as LibcFunction;
    bound.set(declaration, found);
  }
  return found;
}

/** `errno` as the last bound call left it. */
export function lastErrno(): number {
  return loadKoffi().errno();
}

/** Calls a bound function; a result of -1 becomes a SystemError that names the context. */
export function call(context: SystemErrorContext, declaration: string, ...parameters: LibcArgument[]): number {
  const result = libc(declaration)(...parameters);
  if (result === -1) throw new SystemError(lastErrno(), context);
  return result;
}

/** As `call`, on a worker thread, so that a call that sleeps does not stop the event loop. */
export function callAsync(
  context: SystemErrorContext,
  declaration: string,
  ...parameters: LibcArgument[]
): Promise<number> {
  return new Promise((resolve, reject) => {
    libc(declaration).async(...parameters, (error: unknown, result: number) => {
      if (error !== null && error !== undefined) {
        reject(error instanceof Error ? error : new Error(`Cannot ${context.syscall}`));
      } else if (result === -1) {
        reject(new SystemError(lastErrno(), context));
      } else {
        resolve(result);
      }
    });
  });
}
