import { exitStatus } from "./exit-status.ts";

/**
 * Turns the signals that end a command (Ctrl-C, a closed terminal, a polite kill) into one AbortSignal, so that work in
 * hand is undone rather than dropped. A second signal ends the process at once; the next start of the graph tidies up.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #status: number | undefined;
  #outputError: Error | undefined;
  #expected = false;

  /** Fires once, at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit status that the signal asks for; undefined while none came, or where it is how the command ends. */
  get status(): number | undefined {
    return this.#expected ? undefined : this.#status;
  }

  /** The command runs until a signal comes: that is no failure. */
  isExpected(): void {
    this.#expected = true;
  }

  /** Why standard output could not be written, where it was not merely closed. */
  get outputError(): Error | undefined {
    return this.#outputError;
  }

  /** Starts listening. */
  listen(): void {
    const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
    for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
      process.on(name, () => this.#stop(128 + numbers[name]));
    }
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") this.#stop(exitStatus.brokenPipe);
      else this.#outputError ??= error;
    });
  }

  #stop(status: number): void {
    if (this.#status !== undefined && status !== exitStatus.brokenPipe) process.exit(this.#status);
    this.#status ??= status;
    this.#controller.abort(new Error("Interrupted"));
  }
}

/** The one of this process. */
export const interruption = new Interruption();
