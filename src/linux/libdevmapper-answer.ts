import { loadKoffi } from "./libc.ts";
import { number, pointer, type Pointer, untilNul } from "./libdevmapper-library.ts";

/** Words of struct dm_info, with room for what a newer library adds. */
const INFO_WORDS = 24;

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
  readOnly: boolean;
  /** Lines of the table in force. */
  targetCount: number;
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
export class DevmapperAnswer {
  readonly #task: Pointer;

  constructor(task: Pointer) {
    this.#task = task;
  }

  info(): DevmapperInfo {
    const words = new Int32Array(INFO_WORDS);
    number("int dm_task_get_info(void *, void *)")(this.#task, Buffer.from(words.buffer));
    const [exists, suspended, liveTable, inactiveTable, openCount, eventNumber, major, minor, ...more] = words;
    const [readOnly, targetCount, deferred] = more;
    return {
      exists: exists !== 0,
      suspended: suspended !== 0,
      liveTable: liveTable !== 0,
      inactiveTable: inactiveTable !== 0,
      openCount,
      eventNumber: eventNumber >>> 0,
      major,
      minor,
      readOnly: readOnly !== 0,
      targetCount,
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
      targets.push({ start, sectors, type: text(type), parameters: text(place.readBigUInt64LE(24)) });
    } while (at !== null);
    return targets;
  }

  names(): string[] {
    return this.devices().map(({ name }) => name);
  }

  /** All devices, with their numbers ("254:0"). */
  devices(): { name: string; numbers: string }[] {
    // struct dm_names: u64 dev, u32 offset of the next, the name. Without devices there is one, of device 0.
    const list = pointer("void *dm_task_get_names(void *)")(this.#task);
    const { decode } = loadKoffi();
    if (list === null || BigInt(decode.uint64(list)) === 0n) return [];
    return [...records(list, 8n)].map((at) => ({ name: text(at + 12n), numbers: numbers(decode.uint64(at)) }));
  }

  /** Kinds of targets that the kernel has at the moment. */
  targetVersions(): { name: string; version: [number, number, number] }[] {
    // struct dm_versions: u32 offset of the next, u32 version[3], the name
    const list = pointer("void *dm_task_get_versions(void *)")(this.#task);
    const { decode } = loadKoffi();
    return [...records(list, 0n)].map((at) => ({
      name: text(at + 16n),
      version: [decode.uint32(at + 4n), decode.uint32(at + 8n), decode.uint32(at + 12n)],
    }));
  }

  /** Device numbers, "7:0". */
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
    return text(pointer("void *dm_task_get_message_response(void *)")(this.#task));
  }

  driverVersion(): string {
    const buffer = Buffer.alloc(80);
    number("int dm_task_get_driver_version(void *, void *, uint)")(this.#task, buffer, buffer.length);
    return untilNul(buffer);
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
