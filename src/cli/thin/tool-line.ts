import { UsageError } from "../usage-error.ts";
import type { ParsedLine } from "./getopt.ts";

/** A tool's command line: its options and operands, asked for by what they are. */
export class ToolLine {
  readonly #parsed: ParsedLine;

  constructor(parsed: ParsedLine) {
    this.#parsed = parsed;
  }

  get operands(): readonly string[] {
    return this.#parsed.operands;
  }

  has(option: string): boolean {
    return this.#parsed.options.has(option);
  }

  /** What was given last; undefined when the option was not given, or nothing with it. */
  value(option: string): string | undefined {
    return this.#parsed.options.get(option)?.at(-1);
  }

  /** A whole number from 0 to 2^53; undefined when the option was not given, or nothing with it. @throws UsageError */
  number(option: string): number | undefined {
    const text = this.value(option);
    return text === undefined ? undefined : numberOf(text, option);
  }

  /** As `number`, for an option that may be given several times. */
  numbers(option: string): number[] {
    return this.values(option).map((text) => numberOf(text, option));
  }

  values(option: string): string[] {
    return (this.#parsed.options.get(option) ?? []).filter((value) => value !== undefined);
  }

  /** The device or file that the tool is to work on. @throws UsageError when there is none */
  get input(): string {
    return given(this.operands.at(0), "input");
  }

  /** What a tool with `--input` and `--output` reads and writes. @throws UsageError when either is missing */
  get inputAndOutput(): { input: string; output: string } {
    return { input: given(this.value("input"), "input"), output: given(this.value("output"), "output") };
  }
}

function given(path: string | undefined, what: "input" | "output"): string {
  if (path === undefined) throw new UsageError(`No ${what} file provided.`);
  return path;
}

function numberOf(text: string, option: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`couldn't parse <${option}>: '${text}' is no number from 0 to 2^53`);
}
