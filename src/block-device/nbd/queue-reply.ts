import { CHUNK_DONE, Command, CommandFlag, Size } from "./nbd-protocol.ts";
import { bufferOf, isAllHole, type NbdRequest } from "./nbd-request.ts";
import { writeDataChunk, writeErrorChunk, writeHoleChunk, writeSimpleReply, writeStatusChunk } from "./reply-writer.ts";
import type { SendQueue } from "./send-queue.ts";

/** Queues the reply of a finished request, by whose last piece the request ends. @param replies what the client understands */
export function queueReply(queue: SendQueue, request: NbdRequest, replies: "simple" | "structured"): void {
  const { command, error } = request;
  if (command === Command.READ && error === 0) {
    if (replies === "structured") queueChunks(queue, request);
    else queueData(queue, request, "simple reply");
  } else if (command === Command.BLOCK_STATUS && error === 0) queueStatus(queue, request);
  else {
    // Where data or status were asked for, a client that understands chunks expects one; else both are right.
    const chunk = replies === "structured" && (command === Command.READ || command === Command.BLOCK_STATUS);
    const bytes = (chunk ? writeErrorChunk : writeSimpleReply)(request.shortReply, 0, request);
    queue.add(request.shortReplyAddress, bytes, request);
  }
}

function queueChunks(queue: SendQueue, request: NbdRequest): void {
  const { offset, length, extents, extentEnds, flags } = request;
  if (isAllHole(request)) {
    const bytes = writeHoleChunk(request.shortReply, 0, request, offset, length, CHUNK_DONE);
    queue.add(request.shortReplyAddress, bytes, request);
  } else if (extents < 2 || (flags & CommandFlag.DF) !== 0) queueData(queue, request, "chunk");
  else {
    for (let index = 0; index < extents; index++) queueExtent(queue, request, index, extentEnds[index - 1] ?? 0);
  }
}

/** The reply's header and its data, which lie together. */
function queueData(queue: SendQueue, request: NbdRequest, form: "simple reply" | "chunk"): void {
  const { memory, dataStart, address } = bufferOf(request);
  const { offset, length } = request;
  const header = form === "chunk" ? Size.dataChunk : Size.simpleReply;
  if (form === "chunk") writeDataChunk(memory, dataStart - header, request, offset, length, CHUNK_DONE);
  else writeSimpleReply(memory, dataStart - header, request);
  queue.add(address - header, header + length, request);
}

/** One of several: their headers lie one behind the other before the data. */
function queueExtent(queue: SendQueue, request: NbdRequest, index: number, begin: number): void {
  const { memory, dataStart, address } = bufferOf(request);
  const last = index === request.extents - 1;
  const flags = last ? CHUNK_DONE : 0;
  const owner = last ? request : undefined;
  const bytes = request.extentEnds[index] - begin;
  const header = index * Size.holeChunk;
  const headerAddress = address - dataStart + header;
  if (request.extentIsHole[index] === 1) {
    queue.add(headerAddress, writeHoleChunk(memory, header, request, request.offset + begin, bytes, flags), owner);
    return;
  }
  queue.add(headerAddress, writeDataChunk(memory, header, request, request.offset + begin, bytes, flags));
  queue.add(address + begin, bytes, owner);
}

function queueStatus(queue: SendQueue, request: NbdRequest): void {
  const { memory, dataStart, address } = bufferOf(request);
  const header = Size.chunk + 4;
  writeStatusChunk(memory, dataStart - header, request, request.extents);
  queue.add(address - header, header + request.extents * Size.extent, request);
}
