import { format as formatMessage } from "./printf.ts";
import { loadKoffi } from "./libc.ts";
import type { LibraryHandle } from "koffi";

/** Told what libdevmapper says. */
export type DevmapperLog = (level: "error" | "warn" | "info" | "debug", message: string) => void;

/** By level: 2 is fatal, 3 an error, 4 a warning, then notices, and 7 is for debugging. */
const names = ["error", "error", "error", "error", "warn", "info", "info", "debug"] as const;

const FATAL = 2;
const ERROR = 3;
/** What is beside the level in the callback's first parameter: where a message is to go. */
const LEVEL_MASK = 7;
/** Values that a message can have: libdevmapper's longest, for debugging, has about thirty. */
const VALUES = 40;

/**
 * Receives libdevmapper's messages, which would go to standard error otherwise. There is one log a process, as the library
 * knows only one. Errors of calls whose failure is an answer (no such device, say) are kept from it.
 */
export class LibdevmapperLog {
  /** What is more detailed is not told: 2 to 7, as `dm.libdm_log_level`. */
  level = FATAL;
  sink: DevmapperLog = () => undefined;
  /** The last error that the library reported, until `clear`. */
  lastError: string | undefined;
  #held: [number, string][] | undefined;

  /** Makes `library` report here. */
  attach(library: LibraryHandle): void {
    const koffi = loadKoffi();
    const values = Array.from({ length: VALUES }, (_, index) => `uint64 value${index}`).join(", ");
    // In C the values are variadic. On Linux's x86-64 and aarch64 integers and pointers are passed the same way either way, and
    // those beyond what was given are whatever is on the stack: only those that the format names are looked at.
    const prototype = koffi.proto(`void (int level, str file, int line, int code, str format, ${values})`);
    const receive = (level: number, _file: string, _line: number, _code: number, format: string, ...rest: unknown[]) =>
      this.#receive(level, format, rest as (number | bigint)[]);
    const setLog = library.func("void dm_log_with_errno_init(void *)") as (log: unknown) => void;
    setLog(koffi.register(receive, koffi.pointer(prototype)));
    // The library has a last word when the process ends, and there is no JavaScript any more then: any function that takes nothing
    // will do for it.
    const nothing: unknown = koffi.load(null).symbol("getpid");
    process.once("exit", () => setLog(nothing));
  }

  /** Keeps what comes from now on back, until `release` says whether it is to be told. */
  hold(): void {
    this.lastError = undefined;
    this.#held = [];
  }

  release(what: "tell" | "drop errors"): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const [level, message] of held) {
      if (what === "tell" || level > ERROR) this.sink(names[level], message);
    }
  }

  #receive(levelAndFlags: number, format: string, values: readonly (number | bigint)[]): void {
    const level = Math.max(FATAL, levelAndFlags & LEVEL_MASK);
    if (level > this.level && level > ERROR) return;
    const message = formatMessage(format, values, (address) => loadKoffi().decode.string(address));
    if (level <= ERROR) this.lastError ??= message;
    if (level > this.level) return;
    if (this.#held === undefined) this.sink(names[level], message);
    else this.#held.push([level, message]);
  }
}
