import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoName } from "../../linux/system-error.ts";
import { formatMappedTable, parseMappedTable } from "../../mapping/mapped-table.ts";
import { ControlError, type ControlAnswer, describe } from "../control-message.ts";
import { forgetNote } from "../device-note.ts";
import type { EngineService, ServiceHooks } from "../engine-device.ts";
import type { ExportedFile, ExportedFiles } from "../exported-files.ts";
import type { PoolPaths } from "../pool-paths.ts";
import { replaceFile } from "../replace-file.ts";
import { type Mapping, openMapping } from "./open-mapping.ts";

/** What `info` answers of a mapped device. */
export interface MappedInfo {
  sizeSectors: number;
  readOnly: boolean;
  suspended: boolean;
  deferredRemove: boolean;
  /** What a loop device on it should have as logical block size, in bytes: requests are multiples of it. */
  blockBytes: number;
  /** The table in force, as `formatMappedTable` writes it. */
  table: string;
}

/** What must survive the engine and is not in the table. */
interface MappedFlags {
  suspended: boolean;
  deferredRemove: boolean;
}

/** The one file of the mount has the same place for every engine, as the kernel remembers it. */
const place = { slot: 0, generation: 1 };

/**
 * Executes control messages on a mapped device, whose one file in the mount has the device's name:
 *
 * - `reload TABLE`: puts another table in force, between two requests. Its devices are opened before, so that a table that cannot be served changes
 *   nothing; what was written through the old one is flushed, and its devices are closed
 * - `suspend [noflush]`, `resume`: I/O waits meanwhile
 * - `info`: `MappedInfo` as JSON
 * - `flush`: what was written is on the disk
 * - `defer on|off`: it ends when its last user closes it; "gone" when there is none now
 * - `shutdown`: ends it
 *
 * All of them can be executed twice without harm, so that no answer need be remembered.
 */
export class MappedService implements EngineService {
  readonly #paths: PoolPaths;
  readonly #files: ExportedFiles;
  readonly #hooks: ServiceHooks;
  readonly #handlers: Record<string, ((words: string) => string) | undefined>;
  readonly #file: ExportedFile;
  #mapping: Mapping;

  constructor(mapping: Mapping, paths: PoolPaths, files: ExportedFiles, hooks: ServiceHooks) {
    this.#mapping = mapping;
    this.#paths = paths;
    this.#files = files;
    this.#hooks = hooks;
    const { volume } = mapping;
    const { name } = paths;
    this.#file = files.add({
      name,
      volume,
      sizeBytes: volume.sizeBytes,
      place,
    });
    this.#handlers = {
      reload: (table) => this.#reload(table),
      suspend: (how) => this.#suspend(how),
      resume: () => this.#resume(),
      info: () => JSON.stringify(this.#info()),
      flush: () => this.#flush("flush"),
      defer: (way) => this.#defer(way),
      shutdown: () => this.end(),
    };
  }

  exportActive(): void {
    const { suspended, deferredRemove } = readFlags(this.#paths.flags);
    this.#file.opens = 1; // its loop device: open files are known to the kernel alone, and not told again
    this.#file.suspended = suspended;
    this.#file.held = suspended;
    this.#file.deferredRemove = deferredRemove;
  }

  forgetActive(): void {
    // A new device has no past.
  }

  readonly execute = (_id: string, text: string): string => JSON.stringify(this.#answer(text.trim()));

  lastClose(): void {
    forgetNote(join(this.#paths.devices, this.#file.name));
    this.end();
  }

  /** Flushes and closes what it stands on, and ends the server. */
  end(): string {
    this.#mapping.volume.flush();
    this.#mapping.close();
    this.#files.remove(this.#file);
    this.#hooks.stop();
    return "";
  }

  #answer(text: string): ControlAnswer {
    try {
      const [verb] = text.split(/\s/, 1);
      const handler = Object.hasOwn(this.#handlers, verb) ? this.#handlers[verb] : undefined;
      if (handler === undefined) throw new ControlError("EINVAL", `Cannot do '${verb}' with a mapped device`);
      return { ok: true, answer: handler(text.slice(verb.length).trim()) };
    } catch (error) {
      return { error: describe(error) };
    }
  }

  #reload(text: string): string {
    const next = openMapping(parseMappedTable(text), this.#paths.folder);
    const before = this.#mapping;
    // Nobody will flush through it any more. A device that failed cannot keep its table for ever: that is what is being changed.
    before.volume.flush();
    replaceFile(this.#paths.table, formatMappedTable(next.table));
    this.#mapping = next;
    this.#file.volume = next.volume;
    this.#file.sizeBytes = next.volume.sizeBytes;
    before.close();
    this.#hooks.retryHeld();
    return "";
  }

  #suspend(how: string): string {
    if (how !== "noflush") this.#flush("suspend");
    this.#file.suspended = true;
    this.#file.held = true;
    this.#writeFlags();
    return "";
  }

  #resume(): string {
    this.#file.suspended = false;
    this.#file.held = false;
    this.#writeFlags();
    this.#hooks.retryHeld();
    return "";
  }

  #flush(what: string): string {
    const status = this.#mapping.volume.flush();
    if (status === 0) return "";
    const code = errnoName(-status);
    throw new ControlError(
      code,
      `Cannot ${what} '${this.#file.name}': what is below it could not be flushed (${code})`,
    );
  }

  #defer(way: string): string {
    this.#file.deferredRemove = way === "on";
    this.#writeFlags();
    if (way !== "on" || this.#file.opens > 0) return "";
    this.end();
    return "gone";
  }

  #info(): MappedInfo {
    const { table, blockBytes, volume } = this.#mapping;
    const { suspended, deferredRemove } = this.#file;
    return {
      sizeSectors: volume.sizeBytes / 512,
      readOnly: table.readOnly,
      suspended,
      deferredRemove,
      blockBytes,
      table: formatMappedTable(table),
    };
  }

  #writeFlags(): void {
    const { suspended, deferredRemove } = this.#file;
    replaceFile(this.#paths.flags, JSON.stringify({ suspended, deferredRemove } satisfies MappedFlags));
  }
}

function readFlags(path: string): MappedFlags {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as MappedFlags;
  } catch {
    return { suspended: false, deferredRemove: false }; // none was set yet
  }
}
