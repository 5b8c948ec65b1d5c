import {
  ALLOCATION_CONTEXT,
  ALLOCATION_CONTEXT_ID,
  HandshakeFlag,
  Info,
  MAX_STRING_BYTES,
  NBD_MAGIC,
  Option,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReply,
  Size,
} from "./nbd-protocol.ts";
import { blockSizes, isNameOf, transmissionFlags, type ExportDescription } from "./export-description.ts";
import { OptionData } from "./option-data.ts";

/** Most bytes an option's data may have; longer ones are passed over. */
const MOST_OPTION_BYTES = 64 << 10;
/** Options a client may send in one handshake. */
const MOST_OPTIONS = 256;

/** What was agreed on. */
export interface Negotiated {
  replies: "simple" | "structured";
  /** Whether the client may ask for block status. */
  allocationContext: boolean;
}

/** How a handshake stands. */
export type HandshakeState =
  | { kind: "going on" }
  /** The rest of the bytes are requests. */
  | { kind: "agreed"; negotiated: Negotiated }
  /** The connection is to be closed, once what was answered is sent. */
  | { kind: "over" };

/**
 * The server's side of a fixed newstyle handshake: bytes in, answers out; it knows nothing of sockets. What a client sends is trusted in nothing.
 */
export class Handshake {
  state: HandshakeState = { kind: "going on" };
  readonly #export: ExportDescription;
  readonly #send: (bytes: Buffer) => void;
  #noZeroes = false;
  #greeted = false;
  #options = 0;
  /** Bytes of an option that is too long, still to come. */
  #toSkip = 0;
  #replies: Negotiated["replies"] = "simple";
  /** The export's name that the context was chosen for. */
  #contextFor: string | undefined;

  /** @param send takes answers, in their order */
  constructor(exported: ExportDescription, send: (bytes: Buffer) => void) {
    this.#export = exported;
    this.#send = send;
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(NBD_MAGIC, 0);
    greeting.writeBigUInt64BE(OPTION_MAGIC, 8);
    greeting.writeUInt16BE(HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES, 16);
    send(greeting);
  }

  /** Takes what a client sent. @returns how many of the bytes were used up; the rest is to be given again, with more behind it */
  take(bytes: Buffer): number {
    let used = 0;
    while (this.state.kind === "going on") {
      const taken = this.#step(bytes.subarray(used));
      if (taken === 0) break;
      used += taken;
    }
    return used;
  }

  /** 0 when more bytes are needed. */
  #step(bytes: Buffer): number {
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, bytes.length);
      this.#toSkip -= skipped;
      return skipped;
    }
    if (!this.#greeted) return bytes.length < 4 ? 0 : this.#clientFlags(bytes.readUInt32BE(0));
    if (bytes.length < Size.option) return 0;
    if (bytes.readBigUInt64BE(0) !== OPTION_MAGIC || this.#options >= MOST_OPTIONS) return this.#over();
    const option = bytes.readUInt32BE(8);
    const length = bytes.readUInt32BE(12);
    if (length > MOST_OPTION_BYTES) {
      if (option === Option.EXPORT_NAME) return this.#over();
      this.#options++;
      this.#toSkip = length;
      this.#reply(option, OptionReply.ERR_TOO_BIG);
      return Size.option;
    }
    if (bytes.length < Size.option + length) return 0;
    this.#options++;
    this.#option(option, bytes.subarray(Size.option, Size.option + length));
    return Size.option + length;
  }

  #clientFlags(flags: number): number {
    if ((flags & ~(HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES)) !== 0) return this.#over();
    this.#noZeroes = (flags & HandshakeFlag.NO_ZEROES) !== 0;
    this.#greeted = true;
    return 4;
  }

  #over(): number {
    this.state = { kind: "over" };
    return 0;
  }

  #option(option: number, data: Buffer): void {
    switch (option) {
      case Option.EXPORT_NAME:
        return this.#exportName(data);
      case Option.ABORT:
        this.#reply(option, OptionReply.ACK);
        this.#over();
        return;
      case Option.LIST:
        return this.#list(data);
      case Option.INFO:
      case Option.GO:
        return this.#info(option, data);
      case Option.STRUCTURED_REPLY:
        if (data.length > 0) return this.#reply(option, OptionReply.ERR_INVALID);
        this.#replies = "structured";
        return this.#reply(option, OptionReply.ACK);
      case Option.LIST_META_CONTEXT:
      case Option.SET_META_CONTEXT:
        return this.#metaContexts(option, data);
      default:
        return this.#reply(option, OptionReply.ERR_UNSUP);
    }
  }

  /** The old way to begin: without an answer for what is wrong. */
  #exportName(data: Buffer): void {
    const name = data.toString("utf8");
    if (data.length > MAX_STRING_BYTES || !isNameOf(this.#export, name)) {
      this.#over();
      return;
    }
    const answer = Buffer.alloc(10 + (this.#noZeroes ? 0 : Size.exportNameZeroes));
    this.#writeExport(answer, 0);
    this.#send(answer);
    this.#agree(name);
  }

  #list(data: Buffer): void {
    if (data.length > 0) return this.#reply(Option.LIST, OptionReply.ERR_INVALID);
    const name = Buffer.from(this.#export.name);
    const entry = Buffer.alloc(4 + name.length);
    entry.writeUInt32BE(name.length, 0);
    name.copy(entry, 4);
    this.#reply(Option.LIST, OptionReply.SERVER, entry);
    this.#reply(Option.LIST, OptionReply.ACK);
  }

  #info(option: number, data: Buffer): void {
    const reader = new OptionData(data);
    const name = reader.string();
    const count = reader.uint16();
    const asked = new Set<number>();
    for (let index = 0; index < count && !reader.failed; index++) asked.add(reader.uint16());
    if (!reader.complete) return this.#reply(option, OptionReply.ERR_INVALID);
    if (!isNameOf(this.#export, name)) return this.#reply(option, OptionReply.ERR_UNKNOWN);
    const info = Buffer.alloc(12);
    info.writeUInt16BE(Info.EXPORT, 0);
    this.#writeExport(info, 2);
    this.#reply(option, OptionReply.INFO, info);
    if (asked.has(Info.NAME)) {
      const told = Buffer.concat([Buffer.alloc(2), Buffer.from(this.#export.name)]);
      told.writeUInt16BE(Info.NAME, 0);
      this.#reply(option, OptionReply.INFO, told);
    }
    if (asked.has(Info.BLOCK_SIZE)) {
      const { minimum, preferred, maximum } = blockSizes(this.#export);
      const told = Buffer.alloc(14);
      told.writeUInt16BE(Info.BLOCK_SIZE, 0);
      told.writeUInt32BE(minimum, 2);
      told.writeUInt32BE(preferred, 6);
      told.writeUInt32BE(maximum, 10);
      this.#reply(option, OptionReply.INFO, told);
    }
    this.#reply(option, OptionReply.ACK);
    if (option === Option.GO) this.#agree(name);
  }

  #metaContexts(option: number, data: Buffer): void {
    const setting = option === Option.SET_META_CONTEXT;
    // Whatever becomes of it, it takes the place of an earlier choice.
    if (setting) this.#contextFor = undefined;
    const reader = new OptionData(data);
    const name = reader.string();
    const count = reader.uint32();
    let matches = !setting && count === 0;
    for (let index = 0; index < count && !reader.failed; index++) {
      const query = reader.string();
      matches ||= query === ALLOCATION_CONTEXT || (!setting && query === "base:");
    }
    if (!reader.complete || (setting && this.#replies === "simple"))
      return this.#reply(option, OptionReply.ERR_INVALID);
    if (!isNameOf(this.#export, name)) return this.#reply(option, OptionReply.ERR_UNKNOWN);
    if (matches) {
      const context = Buffer.alloc(4 + ALLOCATION_CONTEXT.length);
      context.writeUInt32BE(setting ? ALLOCATION_CONTEXT_ID : 0, 0);
      context.write(ALLOCATION_CONTEXT, 4, "latin1");
      this.#reply(option, OptionReply.META_CONTEXT, context);
      if (setting) this.#contextFor = name;
    }
    this.#reply(option, OptionReply.ACK);
  }

  #agree(name: string): void {
    const negotiated = { replies: this.#replies, allocationContext: this.#contextFor === name };
    this.state = { kind: "agreed", negotiated };
  }

  /** u64 size, u16 flags. */
  #writeExport(target: Buffer, at: number): void {
    target.writeBigUInt64BE(BigInt(this.#export.sizeBytes), at);
    target.writeUInt16BE(transmissionFlags(this.#export, this.#replies), at + 8);
  }

  #reply(option: number, type: number, data: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(20);
    head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(type, 12);
    head.writeUInt32BE(data.length, 16);
    this.#send(data.length === 0 ? head : Buffer.concat([head, data]));
  }
}
