/** How a failed command ends, in dmsetup's words; "" where nothing more is said. */
export type Ending = "Command failed." | "Couldn't process command line." | "";

/** What may stand beside a failure's lines. */
export interface FailureDetails {
  ending?: Ending;
  /** Why the device mapper refused, which the kernel would tell its log. */
  reason?: string | undefined;
}

/** A command that cannot be carried out. */
export class DmsetupFailure extends Error {
  override readonly name = "DmsetupFailure";
  readonly ending: Ending;
  readonly reason: string | undefined;

  /** @param message lines for standard error, "" for none */
  constructor(message: string, { ending = "Command failed.", reason }: FailureDetails = {}) {
    super(message);
    this.ending = ending;
    this.reason = reason;
  }
}

/** The line makes no sense, and what there is to be typed is told after it. */
export class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}

/** For an option, or a mixture of options, that there is not. */
export function badLine(message: string): DmsetupFailure {
  return new DmsetupFailure(message, { ending: "Couldn't process command line." });
}

/** For a device that is asked about and is not there. */
export function noSuchDevice(): DmsetupFailure {
  return new DmsetupFailure("Device does not exist.");
}
