import { mostMessageBytes } from "./control-message.ts";

/** What the request's id and the batch's first line need of a control message. */
const headBytes = 128;
/** Messages that are carried out before the engine turns to its devices' I/O again. */
const mostMessages = 1024;

/** Messages, a line each, in pieces of which each fits into a control message. */
export function* batchPieces(messages: readonly string[]): IterableIterator<string[]> {
  let piece: string[] = [];
  let bytes = headBytes;
  for (const message of messages) {
    const line = message.trim().replace(/\s+/g, " ");
    const lineBytes = Buffer.byteLength(line) + 1;
    if (piece.length === mostMessages || (piece.length > 0 && bytes + lineBytes > mostMessageBytes)) {
      yield piece;
      piece = [];
      bytes = headBytes;
    }
    piece.push(line);
    bytes += lineBytes;
  }
  if (piece.length > 0) yield piece;
}
