import { errno } from "../linux/system-error.ts";
import type { ExportedFile, ExportedFiles } from "./exported-files.ts";
import { CONTROL_NODE, FIRST_VOLUME_NODE, In, MAX_WRITE, OutSize, POOL_NODE, ROOT_NODE } from "./fuse-protocol.ts";
import type { FuseReply, NodeAttributes } from "./fuse-reply.ts";

const DT_DIR = 4;
const DT_REG = 8;
const DIRENT = 24;

/** The control file's name in the mount. */
export const CONTROL_NAME = "control";

/** Answers everything about names and attributes: LOOKUP, GETATTR, READDIR, READDIRPLUS, STATFS. */
export class FuseFolder {
  readonly #files: ExportedFiles;
  readonly #reply: FuseReply;
  readonly #blockSizeBytes: number;

  /** @param blockSizeBytes the pool's block size: loop devices take their discard granularity from STATFS */
  constructor(files: ExportedFiles, reply: FuseReply, blockSizeBytes: number) {
    this.#files = files;
    this.#reply = reply;
    this.#blockSizeBytes = blockSizeBytes;
  }

  lookup(request: Uint32Array, bytes: Buffer, length: number): void {
    const end = bytes.indexOf(0, In.body);
    const name = bytes.toString("utf8", In.body, end < 0 || end > length ? length : end);
    const node = this.#nodeOf(name);
    if (request[In.nodeId >> 2] !== ROOT_NODE || node === undefined)
      return this.#reply.sendError(request, -errno.ENOENT);
    this.#reply.entry(this.#reply.clear(OutSize.entry), node);
    this.#reply.send(request, OutSize.entry);
  }

  getAttributes(request: Uint32Array): void {
    const low = request[In.nodeId >> 2];
    if (low === ROOT_NODE) return this.#reply.sendAttributes(request, this.#root());
    if (low === CONTROL_NODE) return this.#reply.sendAttributes(request, this.#control());
    if (low === POOL_NODE && this.#files.pool !== undefined)
      return this.#reply.sendAttributes(request, this.#file(this.#files.pool));
    const file = this.#files.slots[low - FIRST_VOLUME_NODE];
    if (file?.generation !== request[(In.nodeId >> 2) + 1]) return this.#reply.sendError(request, -errno.ESTALE);
    this.#reply.sendAttributes(request, this.#file(file));
  }

  /** A loop device asks it of its file when it is attached, for the granularity of its discards; where it gets none, it takes no discards. */
  statfs(request: Uint32Array): void {
    const file = this.#files.slots[request[In.nodeId >> 2] - FIRST_VOLUME_NODE];
    if (file?.volume.takesDiscards === false) return this.#reply.sendError(request, -errno.EOPNOTSUPP);
    const at = this.#reply.clear(OutSize.statfs);
    const { buffer } = this.#reply;
    buffer.writeUInt32LE(this.#blockSizeBytes, at + 40);
    buffer.writeUInt32LE(255, at + 44);
    buffer.writeUInt32LE(this.#blockSizeBytes, at + 48);
    this.#reply.send(request, OutSize.statfs);
  }

  readFolder(request: Uint32Array, bytes: Buffer, form: "plain" | "plus"): void {
    const entries = this.#entries();
    const size = Math.min(bytes.readUInt32LE(In.size), MAX_WRITE);
    const start = this.#reply.clear(size);
    let used = 0;
    for (let index = bytes.readUInt32LE(In.offset); index < entries.length; index++) {
      const length = this.#dirent(start + used, size - used, entries[index], index + 1, form);
      if (length === 0) break;
      used += length;
    }
    this.#reply.send(request, used);
  }

  /** Bytes written; 0 when it does not fit. */
  #dirent(
    at: number,
    room: number,
    [name, node]: [string, NodeAttributes],
    next: number,
    form: "plain" | "plus",
  ): number {
    const entry = form === "plus" ? OutSize.entry : 0;
    const length = entry + DIRENT + Math.ceil(Buffer.byteLength(name) / 8) * 8;
    if (length > room) return 0;
    const { buffer } = this.#reply;
    // Node 0 for the dots: the kernel is not to look them up.
    if (form === "plus" && !name.startsWith(".")) this.#reply.entry(at, node);
    const place = at + entry;
    buffer.writeUInt32LE(node.nodeLow, place);
    buffer.writeUInt32LE(node.nodeHigh, place + 4);
    buffer.writeUInt32LE(next, place + 8);
    buffer.writeUInt32LE(Buffer.byteLength(name), place + 16);
    buffer.writeUInt32LE(node.kind === "folder" ? DT_DIR : DT_REG, place + 20);
    buffer.write(name, place + DIRENT, "utf8");
    return length;
  }

  #entries(): [string, NodeAttributes][] {
    const files = this.#files.all().map((file): [string, NodeAttributes] => [file.name, this.#file(file)]);
    return [[".", this.#root()], ["..", this.#root()], [CONTROL_NAME, this.#control()], ...files];
  }

  #nodeOf(name: string): NodeAttributes | undefined {
    if (name === CONTROL_NAME) return this.#control();
    const file = this.#files.lookUp(name);
    return file === undefined ? undefined : this.#file(file);
  }

  #root(): NodeAttributes {
    return { nodeLow: ROOT_NODE, nodeHigh: 0, kind: "folder", sizeBytes: 0, allocatedBytes: 0, blockSizeBytes: 4096 };
  }

  #control(): NodeAttributes {
    return { nodeLow: CONTROL_NODE, nodeHigh: 0, kind: "file", sizeBytes: 0, allocatedBytes: 0, blockSizeBytes: 4096 };
  }

  #file(file: ExportedFile): NodeAttributes {
    const { sizeBytes, slot, generation } = file;
    const { allocatedBytes } = file.volume;
    const nodeLow = file === this.#files.pool ? POOL_NODE : slot + FIRST_VOLUME_NODE;
    const blockSizeBytes = this.#blockSizeBytes;
    return { nodeLow, nodeHigh: generation, kind: "file", sizeBytes, allocatedBytes, blockSizeBytes };
  }
}
