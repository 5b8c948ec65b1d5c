import { ErrorTarget } from "../mapping/error-target.ts";
import { MappedVolume } from "../mapping/mapped-volume.ts";
import type { Target } from "../mapping/target.ts";
import { ZeroTarget } from "../mapping/zero-target.ts";
import type { Pool } from "../thin/pool.ts";
import { ControlError } from "./control-message.ts";
import type { ExportedFile, ExportedFiles, Place } from "./exported-files.ts";
import type { ServedVolume } from "./served-volume.ts";
import type { ThinParameters } from "./thin-parameters.ts";
import type { VolumeFlags } from "./volume-flags.ts";
import { formatTag, parseTag } from "./volume-tag.ts";
import { formatVolumeTable, parseVolumeTable, type VolumeTable, wholeThinTable } from "./volume-table.ts";

const sectorBytes = 512;

/** A volume as the flags file keeps it, where the pool's journal does not tell all of it. */
export interface VolumeRecord extends Place {
  /** As `formatVolumeTable` writes it. */
  table: string;
}

/**
 * The volumes of a pool as files of its mount, and their tables: most are one thin device from end to end, served without anything between; others
 * have zero and error segments too, or instead.
 *
 * Which thin devices are active, and for which file, is in the pool's journal; what a table has beside that is in the flags file. A change of tables counts
 * from when the flags file has it: an engine that comes after one that died before or behind that puts the journal right.
 */
export class PoolVolumes {
  readonly #pool: Pool;
  readonly #files: ExportedFiles;
  readonly #tables = new Map<ExportedFile, VolumeTable>();
  /** Those whose tables are in the flags file. */
  readonly #recorded = new Set<ExportedFile>();
  readonly #writeFlags: () => void;

  /** @param writeFlags writes the flags file, with `records()` in it */
  constructor(pool: Pool, files: ExportedFiles, writeFlags: () => void) {
    this.#pool = pool;
    this.#files = files;
    this.#writeFlags = writeFlags;
  }

  /** Makes files of what was active when an earlier engine ended. */
  exportActive(flags: VolumeFlags, poolName: string): void {
    const records = new Map(Object.entries(flags.tables));
    for (const { id, sizeSectors, tag, externalOriginPath: externalOrigin } of this.#pool.active()) {
      const { name, ...place } = parseTag(tag);
      const record = records.get(name);
      const table =
        record === undefined
          ? wholeThinTable(sizeSectors, { pool: poolName, deviceId: id, externalOrigin })
          : parseVolumeTable(record.table);
      // A new table was not in force yet, or an old one not any more.
      if (table.thin?.deviceId !== id || this.#files.get(name) !== undefined) this.#pool.deactivate(id);
      else {
        if (table.thin.length !== sizeSectors) this.#pool.resizeVolume(id, table.thin.length);
        this.#add(name, table, place, record === undefined ? "in the journal" : "recorded");
      }
    }
    for (const [name, record] of records) {
      const table = parseVolumeTable(record.table);
      if (table.thin === undefined) this.#add(name, table, record, "recorded");
    }
  }

  /** What the flags file is to keep, by name. */
  records(): Record<string, VolumeRecord> {
    const entries = [...this.#recorded].map((file): [string, VolumeRecord] => {
      const { name, slot, generation } = file;
      return [name, { slot, generation, table: formatVolumeTable(this.tableOf(file)) }];
    });
    return Object.fromEntries(entries);
  }

  tableOf(file: ExportedFile): VolumeTable {
    return this.#tables.get(file)!;
  }

  /** The thin device behind a volume. @throws ControlError ENODATA for one that has none */
  deviceIdOf(file: ExportedFile): number {
    const { thin } = this.tableOf(file);
    if (thin === undefined) throw new ControlError("ENODATA", `Cannot ask '${file.name}': no thin device is behind it`);
    return thin.deviceId;
  }

  /** @throws ThinError ENODATA (no such thin device), EBUSY (it is active) */
  activate(name: string, sectors: number, parameters: ThinParameters, requestId: string): void {
    const place = this.#files.freePlace();
    const table = wholeThinTable(sectors, parameters);
    this.#activateThin(table, { name, ...place }, requestId);
    this.#add(name, table, place, "in the journal");
  }

  /**
   * Makes a volume of a table with a thin segment.
   *
   * @throws ThinError as `activate`; MappingError, ControlError EINVAL for a table that is none for a new volume of the pool
   */
  activateTable(name: string, text: string, requestId: string): void {
    const table = parseVolumeTable(text);
    const { thin } = table;
    if (thin === undefined) throw new ControlError("EINVAL", `Cannot make '${name}' in a pool: none of it is thin`);
    if (table.segments.length === 1) return this.activate(name, thin.length, thin, requestId);
    const place = this.#files.freePlace();
    // Recorded first: the answer is remembered as soon as the thin device is active.
    const file = this.#add(name, table, place, "recorded");
    try {
      this.#writeFlags();
      this.#activateThin(table, { name, ...place }, requestId);
    } catch (error) {
      this.#forget(file);
      this.#writeFlags();
      throw error;
    }
    file.volume = this.#serve(table);
  }

  /**
   * Puts another table in force, between two requests: the file, and whoever has it open, stay. A thin device that the new table does not have is
   * not active any more.
   *
   * @throws ThinError, MappingError, ControlError as `activateTable`; then nothing has changed
   */
  setTable(file: ExportedFile, text: string): void {
    const before = this.tableOf(file);
    const table = parseVolumeTable(text);
    const { thin } = table;
    const stays = thin !== undefined && thin.deviceId === before.thin?.deviceId;
    if (stays && thin.externalOrigin !== before.thin?.externalOrigin) {
      throw new ControlError("EINVAL", `Cannot change the external origin of '${file.name}' while it is active`);
    }
    if (stays) {
      if (thin.length !== before.thin?.length) this.#pool.resizeVolume(thin.deviceId, thin.length);
    } else if (thin !== undefined) this.#activateThin(table, file);
    this.#tables.set(file, table);
    this.#recorded.add(file);
    try {
      this.#writeFlags();
    } catch (error) {
      this.#tables.set(file, before);
      if (thin !== undefined && !stays) this.#pool.deactivate(thin.deviceId);
      throw error;
    }
    file.volume = this.#serve(table);
    file.sizeBytes = table.sectors * sectorBytes;
    if (before.thin !== undefined && !stays) this.#pool.deactivate(before.thin.deviceId);
  }

  /** @throws ControlError EINVAL for a volume that has other segments too */
  resize(file: ExportedFile, sectors: number, requestId: string): void {
    const { thin, segments } = this.tableOf(file);
    if (thin === undefined || segments.length > 1) {
      throw new ControlError("EINVAL", `Cannot resize '${file.name}': it has other segments than a thin one`);
    }
    this.#pool.resizeVolume(thin.deviceId, sectors, { requestId });
    this.#tables.set(file, wholeThinTable(sectors, thin));
    file.sizeBytes = sectors * sectorBytes;
    if (this.#recorded.has(file)) this.#writeFlags();
  }

  /** Ends a volume. @returns whether the flags file has to be written, which is left to the caller */
  drop(file: ExportedFile, requestId: string | undefined): "recorded" | "in the journal" {
    const { thin } = this.tableOf(file);
    const kept = this.#recorded.has(file) ? "recorded" : "in the journal";
    if (thin !== undefined) this.#pool.deactivate(thin.deviceId, requestId === undefined ? {} : { requestId });
    this.#forget(file);
    return kept;
  }

  #activateThin({ thin }: VolumeTable, tag: Place & { name: string }, requestId?: string): void {
    const { deviceId, length, externalOrigin } = thin!;
    const { name, slot, generation } = tag;
    this.#pool.activate(deviceId, length, {
      tag: formatTag({ name, slot, generation }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(externalOrigin === undefined ? {} : { externalOriginPath: externalOrigin }),
    });
  }

  #add(name: string, table: VolumeTable, place: Place, kept: "recorded" | "in the journal"): ExportedFile {
    const volume = this.#serve(table);
    const { slot, generation } = place;
    const sizeBytes = table.sectors * sectorBytes;
    const file = this.#files.add({ name, volume, sizeBytes, place: { slot, generation } });
    this.#tables.set(file, table);
    if (kept === "recorded") this.#recorded.add(file);
    return file;
  }

  #forget(file: ExportedFile): void {
    this.#files.remove(file);
    this.#tables.delete(file);
    this.#recorded.delete(file);
  }

  /** A volume that is one thin device is that, with nothing between. Until its thin device is active, that part answers errors. */
  #serve({ segments, thin }: VolumeTable): ServedVolume {
    const volume = thin === undefined ? undefined : this.#pool.volume(thin.deviceId);
    if (volume !== undefined && segments.length === 1) return volume;
    const ranges = segments.map(({ start, length, target }) => ({
      startBytes: start * sectorBytes,
      lengthBytes: length * sectorBytes,
      target: targetFor(target, length * sectorBytes, volume),
    }));
    return new MappedVolume(ranges, "read-write");
  }
}

function targetFor(target: "thin" | "zero" | "error", lengthBytes: number, volume: Target | undefined): Target {
  if (target === "zero") return new ZeroTarget(lengthBytes);
  return target === "thin" && volume !== undefined ? volume : new ErrorTarget(lengthBytes);
}
