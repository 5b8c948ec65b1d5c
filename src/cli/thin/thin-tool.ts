import type { GetoptOption } from "./getopt.ts";
import type { ToolLine } from "./tool-line.ts";

/** An option of a tool, and what its help and its manual say of it. */
export interface ToolOption extends GetoptOption {
  /** What the argument is called. */
  readonly value?: string;
  readonly help: string;
}

/** A tool of the thin-provisioning-tools, as Mica has it. Help, manual and parser are made from this. */
export interface ThinTool {
  /** As it is called: "thin_dump". */
  readonly name: string;
  /** A line without a full stop. */
  readonly summary: string;
  /** What stands after the options: "{device|file}". */
  readonly operands: string;
  /** For the manual, a paragraph each. */
  readonly description: readonly string[];
  /** All but --help and --version, which every tool has. */
  readonly options: readonly ToolOption[];
  /** For help and manual: what stands after the options. */
  readonly notes?: readonly string[];
  /** Command lines, and what they do. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** @returns the exit status. @throws UsageError when the line makes no sense; any other error ends with status 1 too */
  run(line: ToolLine): number | Promise<number>;
}

/** The options that every tool has. */
export const commonOptions: readonly ToolOption[] = [
  { long: "help", short: "h", help: "Print what the tool takes." },
  {
    long: "version",
    short: "V",
    help: "Print the version of thin-provisioning-tools whose interface this is. LVM decides by it what it may ask for.",
  },
];
