import { exitStatus } from "./exit-status.ts";
import { interruption } from "./interruption.ts";
import { reportFailure } from "./report-failure.ts";

/**
 * Does the same for several names, one after the other. One that fails is reported and does not stop the rest; the
 * command then ends with status 1.
 * @returns the answers of those that worked
 */
export async function eachName<T>(names: string[], json: boolean, work: (name: string) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (const name of names) {
    interruption.signal.throwIfAborted();
    try {
      answers.push(await work(name));
    } catch (error) {
      reportFailure(error, json);
      process.exitCode = exitStatus.failure;
    }
  }
  return answers;
}
