import { estimateMetadataBytes } from "../../../metadata-tools/metadata-size.ts";
import { exitStatus } from "../../exit-status.ts";
import { printText } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";
import type { ToolLine } from "../tool-line.ts";

const sectorBytes = 512n;
/** A larger number is taken for this one, as strtoull(3) does. */
const largest = 2n ** 64n - 1n;

const toolName = "thin_metadata_size";
const letters = "bskKmMgGtTpPeEzZyY";
/** As the original has them, "zetabytes" too. */
const prefixes = "kibi kilo mebi mega gibi giga tebi tera pebi peta ebi exa zebi zeta yobi yotta";
const names = ["bytes", "sectors", ...prefixes.split(" ").map((prefix) => `${prefix}bytes`)];

/** Bytes of the unit at a place in `letters`, as far as 64 bits go: beyond, as the original has it, there are none. */
function unitBytes(unit: number): bigint {
  if (unit < 2) return unit === 0 ? 1n : sectorBytes;
  const power = BigInt((unit - (unit % 2)) / 2);
  return BigInt.asUintN(64, (unit % 2 === 0 ? 1024n : 1000n) ** power);
}

/** `thin_metadata_size` */
export const tool: ThinTool = {
  name: toolName,
  summary: "estimate how large a pool's metadata can become",
  operands: "",
  description: [
    "Estimates how large the metadata device of a pool should be, for as many thin devices and snapshots as it will have, of data that they map in full.",
  ],
  options: [
    { long: "block-size", short: "b", argument: "required", value: "SIZE", help: "Size of the pool's data blocks." },
    { long: "pool-size", short: "s", argument: "required", value: "SIZE", help: "Size of the pool's data device." },
    { long: "max-thins", short: "m", argument: "required", value: "NUMBER", help: "Most thin devices and snapshots." },
    {
      long: "unit",
      short: "u",
      argument: "required",
      value: "UNIT",
      help: "In which unit to answer. Default: sectors.",
    },
    {
      long: "numeric-only",
      short: "n",
      argument: "optional",
      value: "{short|long}",
      help: "Print the number only; with short or long, its unit too.",
    },
  ],
  notes: [
    `Sizes are in sectors of 512 bytes, or have a unit behind them: one of ${letters}, small letters for powers of 1024 and capitals for powers of 1000, or its name, such as mebibytes.`,
  ],
  examples: [["thin_metadata_size -b 64k -s 1t -m 1000 -u m", "for a pool of 1 TiB"]],
  run(line) {
    const block = sizeOf(line, "block-size", "block size required!");
    const pool = sizeOf(line, "pool-size", "pool size required!");
    const devices = sizeOf(line, "max-thins", "max thins required!");
    const unit = unitOf(line.value("unit") ?? "sectors", "output unit specifier invalid!");
    const style = styleOf(line);
    if ((block.sectors & (block.sectors - 1n)) !== 0n) throw refusal("block size must be 2^^N");
    if (pool.sectors <= block.sectors) throw refusal("pool size must be larger than block size");
    const bytes = estimateMetadataBytes(pool.sectors, block.sectors, devices.number);
    const amount = formatAmount(bytes / Number(unitBytes(unit)));
    if (style === "full") {
      const given = `--block-size=${block.text} --pool-size=${pool.text} --max-thins=${devices.count}`;
      printText(`${toolName} - ${amount} ${names[unit]} estimated metadata area size for "${given}"\n`);
    } else printText(`${amount}${style === "short" ? letters[unit] : style === "long" ? names[unit] : ""}\n`);
    return exitStatus.success;
  },
};

/** A size, as it was given and in both ways that it can be meant. */
interface Size {
  readonly sectors: bigint;
  /** Without a unit the number itself; with one, so many bytes. */
  readonly number: bigint;
  /** With its unit's name. */
  readonly text: string;
  /** As `text`, but nothing is put behind a bare number. */
  readonly count: string;
}

function sizeOf(line: ToolLine, option: string, missing: string): Size {
  const given = line.values(option);
  if (given.length > 1) throw refusal("option already given!");
  const [, digits, suffix] = /^(\d*)(.*)$/.exec(given[0] ?? "")!;
  const unit = unitOf(suffix === "" ? "sectors" : suffix, "Invalid unit specifier!");
  const value = BigInt(digits) < largest ? BigInt(digits) : largest;
  const bytes = BigInt.asUintN(64, value * unitBytes(unit));
  const sectors = bytes / sectorBytes;
  const number = suffix === "" ? sectors : bytes;
  if ((option === "max-thins" ? number : sectors) === 0n) throw refusal(missing);
  const text = `${digits}${names[unit]}`;
  return { sectors, number, text, count: suffix === "" ? digits : text };
}

function unitOf(word: string, otherwise: string): number {
  const unit = word.length === 1 ? letters.indexOf(word) : names.findIndex((name) => name.startsWith(word));
  if (unit < 0) throw refusal(otherwise);
  return unit;
}

function styleOf(line: ToolLine): "full" | "bare" | "short" | "long" {
  if (!line.has("numeric-only")) return "full";
  const wanted = line.value("numeric-only");
  if (wanted === undefined) return "bare";
  if (wanted !== "" && "long".startsWith(wanted)) return "long";
  if (wanted !== "" && "short".startsWith(wanted)) return "short";
  throw refusal("-n invalid option argument");
}

/** As C's printf: whole numbers as they are, others with two places, those that are hardly more than whole with an exponent. */
function formatAmount(amount: number): string {
  const whole = Math.floor(amount);
  if (amount === whole) return String(BigInt(whole));
  if (amount - whole >= 0.01) return amount.toFixed(2);
  return amount.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");
}

function refusal(why: string): Error {
  return new Error(`${toolName} - ${why}`);
}
