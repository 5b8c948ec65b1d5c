import { errno } from "../linux/system-error.ts";
import { In, InitFlag, InitFlag2, MAX_PAGES, MAX_WRITE, OutSize } from "./fuse-protocol.ts";
import type { FuseReply } from "./fuse-reply.ts";

const MAJOR = 7;
/** The newest minor version whose INIT answer is known here. */
const MINOR = 38;
/** Asynchronous requests the kernel may have under way; its default of 12 would cap the queue depth. */
const MAX_BACKGROUND = 512;

/** Answers INIT: version, what is wanted of the kernel, and how large a request may be. */
export function answerInit(reply: FuseReply, request: Uint32Array, bytes: Buffer): void {
  const major = bytes.readUInt32LE(In.body);
  const minor = bytes.readUInt32LE(In.body + 4);
  if (major < MAJOR) return reply.sendError(request, -errno.EPROTO);
  const offered = bytes.readUInt32LE(In.body + 12);
  const offered2 = minor >= 36 ? bytes.readUInt32LE(In.body + 16) : 0;
  const { ASYNC_READ, BIG_WRITES, ASYNC_DIO, PARALLEL_DIROPS, MAX_PAGES: MAX_PAGES_FLAG, INIT_EXT } = InitFlag;
  const wanted = ASYNC_READ | BIG_WRITES | ASYNC_DIO | PARALLEL_DIROPS | MAX_PAGES_FLAG | INIT_EXT;
  const at = reply.clear(OutSize.init);
  const { buffer } = reply;
  buffer.writeUInt32LE(MAJOR, at);
  buffer.writeUInt32LE(Math.min(minor, MINOR), at + 4);
  buffer.writeUInt32LE(bytes.readUInt32LE(In.body + 8), at + 8); // read-ahead as the kernel likes
  buffer.writeUInt32LE((offered & wanted) >>> 0, at + 12);
  buffer.writeUInt16LE(MAX_BACKGROUND, at + 16);
  buffer.writeUInt16LE(MAX_BACKGROUND, at + 18); // congestion: never
  buffer.writeUInt32LE(MAX_WRITE, at + 20);
  buffer.writeUInt32LE(1, at + 24);
  buffer.writeUInt16LE(MAX_PAGES, at + 28);
  buffer.writeUInt32LE(offered2 & InitFlag2.HAS_RESEND, at + 32);
  reply.send(request, OutSize.init);
}
