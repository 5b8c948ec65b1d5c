import { isAbsolute } from "node:path";
import type { MappedDevices } from "../../device-mapper/mapped-devices.ts";
import { errorCode } from "../../linux/system-error.ts";
import { exitStatus } from "../exit-status.ts";
import { getopt, GetoptError } from "../thin/getopt.ts";
import { printError, printText } from "../thin/output.ts";
import { ToolLine } from "../thin/tool-line.ts";
import { UsageError } from "../usage-error.ts";
import type { Mangling } from "./device-text.ts";
import { badLine, DmsetupFailure, WrongUsage } from "./dmsetup-failure.ts";
import { dmsetupOptions, refusedOptions } from "./dmsetup-options.ts";
import type { DmsetupVerb, Session } from "./dmsetup-verb.ts";
import { dmsetupVerbs, refusedVerbs } from "./dmsetup-verbs.ts";

/** Runs dmsetup on what follows its name, and returns its exit status: 0 or 1. */
export async function runDmsetup(words: readonly string[]): Promise<number> {
  let session: LineSession | undefined;
  try {
    session = new LineSession(parse(words));
    await carryOut(session);
    return exitStatus.success;
  } catch (error) {
    if (errorCode(error) === "EPIPE") return exitStatus.brokenPipe;
    if (error instanceof WrongUsage) printError(`${error.message === "" ? "" : `${error.message}\n`}${await usage()}`);
    else reportFailure(error, session);
    return exitStatus.failure;
  }
}

function parse(words: readonly string[]): ToolLine {
  try {
    return new ToolLine(getopt(words, [...dmsetupOptions, ...refusedOptions]));
  } catch (error) {
    throw error instanceof GetoptError ? badLine(`dmsetup: ${error.message}`) : error;
  }
}

async function carryOut(session: LineSession): Promise<void> {
  const { line } = session;
  const word = line.operands.at(0);
  for (const { long } of refusedOptions) {
    if (line.has(long)) throw badLine(`Cannot take --${long}: mica dmsetup does not have it.`);
  }
  if (line.has("help") || word === "help") return printHelp(line);
  const name = line.has("version") ? "version" : word;
  if (name === undefined) throw new WrongUsage("");
  const verb = dmsetupVerbs.find((each) => each.name === name || each.aliases?.includes(name));
  if (verb === undefined) {
    if (!refusedVerbs.includes(name)) throw new WrongUsage("Unknown command.");
    throw new DmsetupFailure(`Cannot carry out '${name}': mica dmsetup does not have it.`);
  }
  session.operands = line.operands.slice(line.has("version") ? 0 : 1);
  requireCount(verb, session);
  await (await verb.load()).run(session);
}

function requireCount({ least, most }: DmsetupVerb, { line, operands }: Session): void {
  const tooFew = operands.length < (line.has("batch") ? Math.min(least, 1) : least);
  if (tooFew || operands.length > most) throw new WrongUsage("Incorrect number of arguments.");
}

async function printHelp(line: ToolLine): Promise<void> {
  const fields = line.has("columns") ? `\n${(await import("./fields-help.ts")).fieldsHelp()}` : "";
  printText(`${await usage()}${fields}`);
}

async function usage(): Promise<string> {
  return (await import("./dmsetup-usage.ts")).dmsetupUsage();
}

/** @param session undefined while the line was not understood */
function reportFailure(error: unknown, session: LineSession | undefined): void {
  if (error instanceof UsageError) return reportFailure(badLine(error.message), session);
  const failure = error instanceof DmsetupFailure ? error : new DmsetupFailure(plainMessage(error));
  const reason = session?.tellsReasons === true ? failure.reason : undefined;
  const lines = [failure.message, reason ?? "", failure.ending].filter((line) => line !== "");
  printError(lines.map((line) => `${line}\n`).join(""));
  if (process.env.MICA_DEBUG === "1" && error instanceof Error) printError(`${error.stack ?? ""}\n`);
}

function plainMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

class LineSession implements Session {
  readonly line: ToolLine;
  readonly deviceDir: string;
  readonly mangling: Mangling;
  operands: readonly string[] = [];
  #devices: MappedDevices | undefined;

  constructor(line: ToolLine) {
    this.line = line;
    this.deviceDir = process.env["DM_DEV_DIR"] ?? "/dev";
    if (!isAbsolute(this.deviceDir)) {
      throw new DmsetupFailure("Invalid DM_DEV_DIR environment variable value.", { ending: "" });
    }
    const mode = line.value("manglename") ?? process.env["DM_DEFAULT_NAME_MANGLING_MODE"] ?? "auto";
    if (mode !== "auto" && mode !== "hex" && mode !== "none") throw badLine("Unknown name mangling mode.");
    this.mangling = mode;
  }

  async devices(): Promise<MappedDevices> {
    if (this.#devices === undefined) {
      const { openMappedDevices } = await import("./open-mapped-devices.ts");
      this.#devices = await openMappedDevices(this);
    }
    return this.#devices;
  }

  /** In user space there is no kernel's log that would tell; and who asks for more is told more. */
  get tellsReasons(): boolean {
    return this.line.has("verbose") || this.#devices?.kind === "userspace";
  }
}
