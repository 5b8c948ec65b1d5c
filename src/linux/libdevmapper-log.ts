import { format as formatMessage } from "./printf.ts";
import { loadKoffi } from "./libc.ts";
import type { LibraryHandle } from "koffi";

/** libdevmapper's log levels; `dm.libdm_log_level` takes their numbers. Fatal is 2, debug 7. */
export type DevmapperLogLevel = 2 | 3 | 4 | 5 | 6 | 7;

/** Told what libdevmapper says. */
export type DevmapperLog = (level: "error" | "warn" | "info" | "debug", message: string) => void;

const names = { 2: "error", 3: "error", 4: "warn", 5: "info", 6: "info", 7: "debug" } as const;

const FATAL = 2;
const ERROR = 3;
/** What is beside the level in the callback's first parameter: where a message is to go. */
const LEVEL_MASK = 7;
/** Values that a message can have. libdevmapper's longest at level "info" has ten. */
const VALUES = 16;

/**
 * Receives libdevmapper's messages, which would go to standard error otherwise. There is one log a process, as the library
 * knows only one. Errors of calls whose failure is an answer (no such device, say) are kept from it.
 */
export class LibdevmapperLog {
  level: DevmapperLogLevel = FATAL;
  sink: DevmapperLog = () => undefined;
  /** The last error that the library reported, until `clear`. */
  lastError: string | undefined;
  #held: [DevmapperLogLevel, string][] | undefined;

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
    const level = Math.max(FATAL, levelAndFlags & LEVEL_MASK) as DevmapperLogLevel;
    if (level > this.level && level > ERROR) return;
    const message = formatMessage(format, values, (address) => loadKoffi().decode.string(address));
    if (level <= ERROR) this.lastError ??= message;
    if (level > this.level) return;
    if (this.#held === undefined) this.sink(names[level], message);
    else this.#held.push([level, message]);
  }
}
