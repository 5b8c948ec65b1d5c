import { errno } from "../linux/system-error.ts";
import { waitReadable } from "../linux/poll.ts";
import { residentBuffer } from "../linux/resident-buffer.ts";
import type { ControlFile } from "./control-file.ts";
import type { ExportedFile, ExportedFiles } from "./exported-files.ts";
import { NOTHING, UNMOUNTED, type FuseChannel } from "./fuse-channel.ts";
import { FuseFolder } from "./fuse-folder.ts";
import { answerInit } from "./fuse-init.ts";
import * as fuse from "./fuse-protocol.ts";
import { FuseReply, wordsOf } from "./fuse-reply.ts";
import { NOT_NOW } from "./served-volume.ts";

const { In, Opcode } = fuse;
const TWO_32 = 0x1_0000_0000;
/** The longest sleep: other work, such as seeing that the engine was asked to stop, is done then. */
const LONGEST_WAIT_MS = 0x7fffffff;

/** What has work to do at set times, such as a pool that commits once a second. */
export interface Schedule {
  /** Milliseconds of `performance.now`; Infinity when nothing is due. */
  nextDeadlineMs(): number;
  tick(nowMs: number): void;
  /** Grows whenever requests that had to wait should be tried again. */
  readonly retryGeneration: number;
}

/** What a server is made of. */
export interface FuseServerParts {
  channel: FuseChannel;
  files: ExportedFiles;
  control: ControlFile;
  schedule: Schedule;
  /** The pool's block size. */
  blockSizeBytes: number;
  /** Called when a file that is to be removed at its last close was closed. */
  onLastClose(file: ExportedFile): void;
}

/**
 * Serves a mount from one thread: read a request, do it, write the answer. No event loop, and on the data path no
 * allocation: that is what makes it fast.
 */
export class FuseServer {
  readonly #parts: FuseServerParts;
  readonly #channel: FuseChannel;
  readonly #slots: (ExportedFile | undefined)[];
  /** Resident: a write that the kernel cannot copy into a killed engine's missing page fails, instead of being sent again. */
  readonly #bytes = residentBuffer(In.writeData + fuse.MAX_WRITE + 4096, In.writeData);
  readonly #words = wordsOf(this.#bytes);
  readonly #reply: FuseReply;
  readonly #folder: FuseFolder;
  /** Requests that could not be done yet, oldest first. */
  #held: Buffer[] = [];
  #heldAt = 0;
  #stopping = false;

  constructor(parts: FuseServerParts) {
    this.#parts = parts;
    this.#channel = parts.channel;
    this.#slots = parts.files.slots;
    this.#reply = new FuseReply(parts.channel);
    this.#folder = new FuseFolder(parts.files, this.#reply, parts.blockSizeBytes);
  }

  /** Makes `run` return once the answers that are ready have been read. */
  stop(): void {
    this.#stopping = true;
  }

  /** Tries held requests again at the next turn. */
  retryHeld(): void {
    this.#heldAt = -1;
  }

  /** How many requests wait. */
  get heldRequests(): number {
    return this.#held.length;
  }

  /** Serves until the mount is gone ("unmounted") or `stop` was called ("stopped"). */
  run(): "unmounted" | "stopped" {
    const { schedule } = this.#parts;
    for (;;) {
      if (this.#held.length > 0 && this.#heldAt !== schedule.retryGeneration) this.#retry();
      const deadline = schedule.nextDeadlineMs();
      if (deadline !== Infinity && !this.#requestBefore(deadline)) continue;
      const length = this.#channel.receive(this.#bytes);
      if (length === UNMOUNTED) return "unmounted";
      if (length === NOTHING) continue;
      this.#handle(length);
      if (this.#stopping) return this.#drain();
    }
  }

  /** False when the deadline came first; what was due is done then. */
  #requestBefore(deadline: number): boolean {
    const now = performance.now();
    if (now < deadline) {
      if (waitReadable(this.#channel.fd, Math.min(Math.ceil(deadline - now), LONGEST_WAIT_MS))) return true;
      if (performance.now() < deadline) return false;
    }
    this.#parts.schedule.tick(performance.now());
    return false;
  }

  /** The asker of the last message still has to read its answer. */
  #drain(): "stopped" {
    const giveUpAt = Date.now() + 1000;
    while (Date.now() < giveUpAt && !this.#parts.control.idle) {
      if (!waitReadable(this.#channel.fd, 50)) continue;
      const length = this.#channel.receive(this.#bytes);
      if (length === UNMOUNTED) break;
      if (length !== NOTHING) this.#handle(length);
    }
    return "stopped";
  }

  #retry(): void {
    const waiting = this.#held;
    this.#held = [];
    this.#heldAt = this.#parts.schedule.retryGeneration;
    for (const request of waiting) {
      request.copy(this.#bytes);
      this.#handle(request.length);
    }
  }

  #hold(length: number): void {
    if (this.#held.length === 0) this.#heldAt = this.#parts.schedule.retryGeneration;
    this.#held.push(Buffer.from(this.#bytes.subarray(0, length)));
  }

  #handle(length: number): void {
    const words = this.#words;
    const nodeLow = words[In.nodeId >> 2];
    if (nodeLow >= fuse.FIRST_VOLUME_NODE) {
      const file = this.#slots[nodeLow - fuse.FIRST_VOLUME_NODE];
      if (file?.generation === words[(In.nodeId >> 2) + 1]) return this.#handleVolume(file, length);
    }
    this.#handleOther(length);
  }

  #handleVolume(file: ExportedFile, length: number): void {
    const words = this.#words;
    const opcode = words[1];
    switch (opcode) {
      case Opcode.READ:
      case Opcode.WRITE:
      case Opcode.FSYNC:
      case Opcode.FALLOCATE:
      case Opcode.LSEEK: {
        const result = file.held ? NOT_NOW : this.#transfer(file, opcode);
        if (result === NOT_NOW) this.#hold(length);
        else if (result < 0) this.#reply.sendError(words, result);
        return;
      }
      case Opcode.OPEN:
        file.opens++;
        return this.#sendOpen(file.slot, file.generation);
      case Opcode.RELEASE:
        file.opens = Math.max(0, file.opens - 1);
        this.#reply.sendError(words, 0);
        if (file.opens === 0 && file.deferredRemove) this.#parts.onLastClose(file);
        return;
      default:
        this.#handleOther(length);
    }
  }

  /** Does and answers a transfer; a result that is not 0 is left to the caller to answer. */
  #transfer(file: ExportedFile, opcode: number): number {
    const words = this.#words;
    if (opcode === Opcode.FSYNC) {
      const result = file.volume.flush();
      if (result === 0) this.#reply.sendError(words, 0);
      return result;
    }
    const offset = words[In.offset >> 2] + words[(In.offset >> 2) + 1] * TWO_32;
    if (opcode === Opcode.FALLOCATE) return this.#fallocate(file, offset);
    if (opcode === Opcode.LSEEK) return this.#seek(file, offset);
    const room = file.sizeBytes - offset;
    const asked = words[In.size >> 2];
    if (opcode === Opcode.READ) {
      const length = asked <= room ? asked : Math.max(0, room);
      const result = length === 0 ? 0 : file.volume.read(this.#reply.buffer, fuse.OUT_HEADER, offset, length);
      if (result === 0) this.#reply.send(words, length);
      return result;
    }
    if (asked > room) return -errno.ENOSPC;
    const result = file.volume.write(this.#bytes, In.writeData, offset, asked);
    if (result === 0) this.#reply.sendWritten(words, asked);
    return result;
  }

  #fallocate(file: ExportedFile, offset: number): number {
    const words = this.#words;
    const length = words[In.size >> 2] + words[(In.size >> 2) + 1] * TWO_32;
    const mode = words[In.fallocateMode >> 2];
    if (mode !== fuse.FallocateMode.PUNCH_HOLE && mode !== fuse.FallocateMode.ZERO_RANGE) return -errno.EOPNOTSUPP;
    const inside = Math.min(length, file.sizeBytes - offset);
    let result = 0;
    if (inside > 0) {
      const punch = mode === fuse.FallocateMode.PUNCH_HOLE;
      result = punch ? file.volume.punchHole(offset, inside) : file.volume.writeZeroes(offset, inside);
    }
    if (result === 0) this.#reply.sendError(words, 0);
    return result;
  }

  #seek(file: ExportedFile, offset: number): number {
    const words = this.#words;
    const whence = words[In.whence >> 2];
    if (whence !== fuse.Whence.SEEK_DATA && whence !== fuse.Whence.SEEK_HOLE) return -errno.EINVAL;
    if (offset >= file.sizeBytes) return -errno.ENXIO;
    const data = whence === fuse.Whence.SEEK_DATA;
    const found = data ? file.volume.seekData(offset) : file.volume.seekHole(offset);
    if (found < 0) return found;
    if (data && found >= file.sizeBytes) return -errno.ENXIO; // no data any more: lseek(2)
    this.#reply.sendOffset(words, Math.min(found, file.sizeBytes));
    return 0;
  }

  #sendOpen(handleLow: number, handleHigh: number): void {
    const at = this.#reply.clear(fuse.OutSize.open);
    this.#reply.buffer.writeUInt32LE(handleLow, at);
    this.#reply.buffer.writeUInt32LE(handleHigh, at + 4);
    this.#reply.buffer.writeUInt32LE(fuse.OpenFlag.DIRECT_IO | fuse.OpenFlag.PARALLEL_DIRECT_WRITES, at + 8);
    this.#reply.send(this.#words, fuse.OutSize.open);
  }

  #handleOther(length: number): void {
    const words = this.#words;
    const reply = this.#reply;
    switch (words[1]) {
      case Opcode.LOOKUP:
        return this.#folder.lookup(words, this.#bytes, length);
      case Opcode.GETATTR:
      case Opcode.SETATTR: // sizes are the pool's business; times and modes are nobody's
        return this.#folder.getAttributes(words);
      case Opcode.STATFS:
        return this.#folder.statfs(words);
      case Opcode.READDIR:
        return this.#folder.readFolder(words, this.#bytes, "plain");
      case Opcode.READDIRPLUS:
        return this.#folder.readFolder(words, this.#bytes, "plus");
      case Opcode.OPENDIR:
        return this.#sendOpen(0, 0);
      case Opcode.FSYNCDIR:
      case Opcode.RELEASEDIR:
      case Opcode.DESTROY:
        return reply.sendError(words, 0);
      case Opcode.INIT:
        return answerInit(reply, words, this.#bytes);
      case Opcode.FORGET:
      case Opcode.BATCH_FORGET:
      case Opcode.INTERRUPT: // a transfer is done, or held on purpose
        return; // these have no answer
      case Opcode.OPEN:
      case Opcode.READ:
      case Opcode.WRITE:
      case Opcode.RELEASE:
      case Opcode.FSYNC:
      case Opcode.FALLOCATE:
      case Opcode.LSEEK:
        if (words[In.nodeId >> 2] === fuse.CONTROL_NODE) return this.#handleControl();
        if (words[In.nodeId >> 2] === fuse.POOL_NODE && this.#parts.files.pool !== undefined)
          return this.#handleVolume(this.#parts.files.pool, length);
        // A volume that is no longer there.
        return reply.sendError(words, words[1] === Opcode.RELEASE ? 0 : -errno.EIO);
      default:
        // The kernel asks once, and never again: FLUSH above all would make every close, also that of a descriptor that
        // a new process does not inherit, wait for the engine.
        return reply.sendError(words, -errno.ENOSYS);
    }
  }

  #handleControl(): void {
    const words = this.#words;
    const { control } = this.#parts;
    const low = words[In.handle >> 2];
    const high = words[(In.handle >> 2) + 1];
    switch (words[1]) {
      case Opcode.OPEN: {
        const handle = control.open();
        return this.#sendOpen(handle.low, handle.high);
      }
      case Opcode.WRITE: {
        const size = words[In.size >> 2];
        const again = (words[(In.unique >> 2) + 1] & fuse.UNIQUE_RESEND_HIGH) !== 0;
        const data = this.#bytes.subarray(In.writeData, In.writeData + size);
        const result = control.write(low, high, data, again ? "again" : "first");
        if (result < 0) return this.#reply.sendError(words, result);
        return this.#reply.sendWritten(words, size);
      }
      case Opcode.READ: {
        const offset = words[In.offset >> 2];
        const size = Math.min(words[In.size >> 2], fuse.MAX_WRITE);
        const read = control.read(low, high, this.#reply.buffer, fuse.OUT_HEADER, offset, size);
        return read < 0 ? this.#reply.sendError(words, read) : this.#reply.send(words, read);
      }
      case Opcode.RELEASE:
        control.release(low, high);
        return this.#reply.sendError(words, 0);
      case Opcode.FSYNC:
        return this.#reply.sendError(words, 0);
      default:
        return this.#reply.sendError(words, -errno.EOPNOTSUPP);
    }
  }
}
