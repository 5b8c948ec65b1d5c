/** The answer to a control message: JSON in the control file. */
export type ControlAnswer = { ok: true; answer: string } | { error: ControlFailure };

/** A failure as an answer tells it. */
export interface ControlFailure {
  code: string;
  message: string;
}

/** What a batch of messages answers, as JSON: how many were carried out and are kept, and why the next was not. */
export interface BatchAnswer {
  done: number;
  error?: ControlFailure;
}

/** Longest control message, in bytes: it must reach the engine as one write, of which the smallest limit of a kernel with FUSE is 128 KiB. */
export const mostMessageBytes = 96 << 10;

/** A failure with an error name that is to reach the sender. */
export class ControlError extends Error {
  readonly code: string;
  /** Of a batch of messages: how many were carried out and are kept. */
  readonly done: number | undefined;

  constructor(code: string, message: string, options: { done?: number } = {}) {
    super(message);
    this.name = "ControlError";
    this.code = code;
    this.done = options.done;
  }
}

/** An error as an answer. */
export function describe(error: unknown): ControlFailure {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
  return { code, message };
}
