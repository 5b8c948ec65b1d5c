import { ThinError } from "./errors.ts";
import type { ThinMetadata } from "./metadata.ts";

/** A thin device's id has 24 bits. */
export const maximumDeviceId = 0xffffff;

/** A message of the thin-pool target, as thin-provisioning.rst lists them. */
export type PoolMessage =
  | { kind: "create_thin"; id: number }
  | { kind: "create_snap"; id: number; origin: number }
  | { kind: "delete"; id: number }
  | { kind: "set_transaction_id"; current: number; next: number }
  | { kind: "reserve_metadata_snap" }
  | { kind: "release_metadata_snap" };

/** How to carry out a message. */
export interface MessageOptions {
  /** Identifies the control request: see `Pool.answerOf`. */
  readonly requestId?: string;
  /** What `answerOf` is to tell of the request; default "". */
  readonly answer?: string;
  /** "later": the journal alone saves it, from a crash of the engine, until the next commit. Default "now". */
  readonly commit?: "now" | "later";
}

/**
 * Reads a message's line. Words may be written in capitals, and numbers with a plus sign before them, as the kernel takes them.
 *
 * @throws ThinError EINVAL: unknown word, wrong number of arguments, an id that is no number of 24 bits
 */
export function parsePoolMessage(line: string): PoolMessage {
  const [first, ...words] = line.trim().split(/\s+/);
  const word = first.toLowerCase();
  const expect = (count: number): void => {
    if (words.length !== count) {
      throw refused(line, `'${word}' takes ${count} argument${count === 1 ? "" : "s"}, not ${words.length}`);
    }
  };
  const number = (text: string, maximum: number, what: string): number => {
    const value = /^\+?\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!(value <= maximum)) throw refused(line, `'${text}' is not ${what}`);
    return value;
  };
  const id = (text: string): number => number(text, maximumDeviceId, "a device id (0 to 16777215)");
  const transaction = (text: string): number => number(text, Number.MAX_SAFE_INTEGER, "a transaction id");
  switch (word) {
    case "create_thin":
    case "delete":
      expect(1);
      return { kind: word, id: id(words[0]) };
    case "create_snap":
      expect(2);
      return { kind: word, id: id(words[0]), origin: id(words[1]) };
    case "set_transaction_id":
      expect(2);
      return { kind: word, current: transaction(words[0]), next: transaction(words[1]) };
    case "reserve_metadata_snap":
    case "release_metadata_snap":
      expect(0);
      return { kind: word };
    default:
      throw refused(line, "a thin pool knows no such message");
  }
}

/**
 * Carries a message out on the metadata, uncommitted.
 *
 * @throws ThinError EEXIST, ENODATA, EBUSY, EINVAL
 */
export function executePoolMessage(metadata: ThinMetadata, message: PoolMessage, flushData: () => void): void {
  switch (message.kind) {
    case "create_thin":
      metadata.createThin(message.id);
      return;
    case "create_snap":
      metadata.createSnapshot(message.id, message.origin);
      return;
    case "delete":
      metadata.deleteThin(message.id);
      return;
    case "set_transaction_id":
      metadata.setTransactionId(message.current, message.next);
      return;
    case "reserve_metadata_snap":
      metadata.reserveMetadataSnapshot(flushData);
      return;
    case "release_metadata_snap":
      metadata.releaseMetadataSnapshot();
  }
}

function refused(line: string, why: string): ThinError {
  return new ThinError("EINVAL", `Cannot send the message '${line.trim()}' to the pool: ${why}`);
}
