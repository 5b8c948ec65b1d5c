import { LayerError } from "./layer-error.ts";
import { parsePaxRecords } from "./pax-records.ts";
import { quotePath, type RawPath } from "../file-system/raw-path.ts";
import { EMPTY_TYPES, parseTarHeader, TAR_BLOCK_BYTES, type TarHeader } from "./tar-header.ts";

/** pax and GNU long-name headers are names and attributes; anything larger is an attack on memory. */
const MAX_SPECIAL_BYTES = 1 << 20;
/** Where an old GNU sparse header, and each block of its map, say whether a further block follows. */
const SPARSE_HEADER_CONTINUES = 482;
const SPARSE_MAP_CONTINUES = 504;

/** An entry of a tar, with its long names resolved. */
export interface TarEntry {
  name: RawPath;
  linkName: RawPath;
  type: string;
  /** Bytes of content that follow in the tar. */
  sizeBytes: number;
  /** Whether the content is a sparse file's map and pieces, not the file's bytes as they are. */
  sparse: boolean;
}

/** What a `TarScanner` tells, in order; together the bytes make up the tar exactly. */
export interface TarVisitor {
  /** Headers, padding and whatever else is not content. Valid only during the call. */
  framing(bytes: Buffer): void;
  /** An entry begins; its content comes in `content` calls. */
  entry(entry: TarEntry): void;
  /** Valid only during the call. */
  content(bytes: Buffer): void;
}

/** Finds the entries in a tar that arrives in pieces. It does not judge names: what unpacks does. */
export class TarScanner {
  /** Whether the mark that ends an archive was seen. */
  ended = false;
  /** Bytes taken so far, skipped ones included. */
  position = 0;
  private readonly visitor: TarVisitor;
  private readonly header = Buffer.alloc(TAR_BLOCK_BYTES);
  private headerBytes = 0;
  private contentBytes = 0;
  private paddingBytes = 0;
  /** More of an old GNU sparse map comes, in blocks between the header and the content. */
  private inSparseMap = false;
  private special: { type: string; chunks: Buffer[] } | undefined;
  private globals = new Map<string, string>();
  private records = new Map<string, string>();
  private longName: string | undefined;
  private longLink: string | undefined;
  private lastName: RawPath | undefined;

  constructor(visitor: TarVisitor) {
    this.visitor = visitor;
  }

  /** Takes the next piece. @throws LayerError on a damaged header */
  write(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.ended) {
        this.position += chunk.length - offset;
        this.visitor.framing(chunk.subarray(offset));
        return;
      }
      if (this.contentBytes > 0 && !this.inSparseMap) {
        const piece = chunk.subarray(offset, offset + this.contentBytes);
        this.position += piece.length;
        offset += piece.length;
        this.takeContent(piece);
      } else if (this.paddingBytes > 0 && !this.inSparseMap) {
        const piece = chunk.subarray(offset, offset + this.paddingBytes);
        this.position += piece.length;
        offset += piece.length;
        this.paddingBytes -= piece.length;
        this.visitor.framing(piece);
      } else {
        const piece = chunk.subarray(offset, offset + TAR_BLOCK_BYTES - this.headerBytes);
        piece.copy(this.header, this.headerBytes);
        this.headerBytes += piece.length;
        this.position += piece.length;
        offset += piece.length;
        this.visitor.framing(piece);
        if (this.headerBytes < TAR_BLOCK_BYTES) continue;
        this.headerBytes = 0;
        if (this.inSparseMap) this.inSparseMap = this.header[SPARSE_MAP_CONTINUES] !== 0;
        else this.takeHeader();
      }
    }
  }

  /** Leaves out what is still to come of the current entry's content and padding. @returns how many bytes that is */
  skipContent(): number {
    if (this.special !== undefined || this.inSparseMap) return 0;
    const skipped = this.contentBytes + this.paddingBytes;
    this.contentBytes = this.paddingBytes = 0;
    this.position += skipped;
    return skipped;
  }

  /** To be called after the last piece. @throws LayerError when the tar ends inside an entry */
  end(): void {
    if (this.ended) return;
    if (this.headerBytes > 0 || this.contentBytes > 0 || this.paddingBytes > 0 || this.special !== undefined) {
      throw new LayerError(`Cannot read the tar: it ends too early, ${this.where()}`);
    }
  }

  private takeHeader(): void {
    const header = parseTarHeader(this.header);
    if (header === undefined) {
      this.ended = true;
      return;
    }
    if (header === "damaged") throw new LayerError(`Cannot read the tar: damaged header ${this.where()}`);
    if ("xgLKXV".includes(header.type)) this.beginSpecial(header);
    else this.beginEntry(header);
  }

  private beginSpecial(header: TarHeader): void {
    if (header.sizeBytes > MAX_SPECIAL_BYTES) {
      throw new LayerError(`Cannot read the tar: a header of ${header.sizeBytes} bytes ${this.where()} is too large`);
    }
    this.special = { type: header.type, chunks: [] };
    this.contentBytes = header.sizeBytes;
    this.paddingBytes = padding(header.sizeBytes);
    if (header.sizeBytes === 0) this.endSpecial();
  }

  private beginEntry(header: TarHeader): void {
    const record = (key: string): string | undefined => this.records.get(key) ?? this.globals.get(key);
    const size = record("size");
    const sparsePax = this.records.size > 0 && [...this.records.keys()].some((key) => key.startsWith("GNU.sparse."));
    const entry: TarEntry = {
      name: record("GNU.sparse.name") ?? record("path") ?? this.longName ?? header.name,
      linkName: record("linkpath") ?? this.longLink ?? header.linkName,
      type: header.type,
      sizeBytes: size !== undefined && !EMPTY_TYPES.includes(header.type) ? Number(size) : header.sizeBytes,
      sparse: sparsePax || header.type === "S",
    };
    if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0) {
      throw new LayerError(`Cannot read the tar: ${quotePath(entry.name)} has an impossible size`);
    }
    if (this.records.size > 0) this.records = new Map();
    this.longName = this.longLink = undefined;
    this.lastName = entry.name;
    this.contentBytes = entry.sizeBytes;
    this.paddingBytes = padding(entry.sizeBytes);
    this.visitor.entry(entry);
    if (header.type === "S") this.inSparseMap = this.header[SPARSE_HEADER_CONTINUES] !== 0;
  }

  private takeContent(piece: Buffer): void {
    this.contentBytes -= piece.length;
    if (this.special === undefined) {
      this.visitor.content(piece);
      return;
    }
    this.visitor.framing(piece);
    this.special.chunks.push(Buffer.from(piece));
    if (this.contentBytes === 0) this.endSpecial();
  }

  private endSpecial(): void {
    if (this.special === undefined) return;
    const { type, chunks } = this.special;
    const body = Buffer.concat(chunks);
    this.special = undefined;
    if (type === "L") this.longName = cString(body);
    else if (type === "K") this.longLink = cString(body);
    else if (type !== "V") {
      const records = parsePaxRecords(body);
      if (records === undefined) throw new LayerError(`Cannot read the tar: malformed pax header ${this.where()}`);
      if (type === "g") for (const [key, value] of records) this.globals.set(key, value);
      else this.records = records;
    }
  }

  private where(): string {
    return this.lastName === undefined ? "at its start" : `after entry ${quotePath(this.lastName)}`;
  }
}

function padding(bytes: number): number {
  return (TAR_BLOCK_BYTES - (bytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

function cString(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString("latin1", 0, end < 0 ? body.length : end);
}
