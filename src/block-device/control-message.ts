/** The answer to a control message: JSON in the control file. */
export type ControlAnswer = { ok: true; answer: string } | { error: { code: string; message: string } };

/** A failure with an error name that is to reach the sender. */
export class ControlError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "ControlError";
    this.code = code;
  }
}
