import fc, { type IAsyncPropertyWithHooks } from "fast-check";

/** Seconds for all campaigns together; more for a night's run. */
const totalSeconds = Number(process.env["MICA_FUZZ_SECONDS"] ?? 60);
/** The same seed makes the same input, in the same order. */
const seed = Number(process.env["MICA_FUZZ_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
/** Of a failure's report: makes that one input, as far as it was shrunk. */
const path = process.env["MICA_FUZZ_PATH"];

/** How a failure is run again, for its report. */
export const replay = `MICA_FUZZ_SEED=${seed} MICA_FUZZ_SECONDS=${totalSeconds}`;

/**
 * Makes inputs until the time is up, or one fails; that one's report tells how to make it again.
 *
 * @param share of the seconds for all campaigns
 * @returns how many inputs there were
 */
export async function campaign<T>(share: number, property: IAsyncPropertyWithHooks<T>): Promise<number> {
  let inputs = 0;
  await fc.assert(property, {
    plugins: [fc.afterEach(() => void (inputs += 1))],
    seed,
    ...(path === undefined ? {} : { path }),
    numRuns: 10_000_000,
    interruptAfterTimeLimit: totalSeconds * share * 1000,
    // What was sent before counts too: input that is sent again, smaller, tells little. The path makes it again.
    endOnFailure: true,
    reporter: (result) => {
      if (!result.failed || result.interrupted) return;
      throw new Error(
        `${fc.defaultReportMessage(result)}\nAgain: ${replay}`.slice(0, 20_000),
        result.errorInstance instanceof Error ? { cause: result.errorInstance } : {},
      );
    },
  });
  return inputs;
}
