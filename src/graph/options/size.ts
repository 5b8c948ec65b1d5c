import { GraphError } from "../graph-error.ts";

const binaryUnits = new Map([
  ["", 1],
  ["k", 2 ** 10],
  ["m", 2 ** 20],
  ["g", 2 ** 30],
  ["t", 2 ** 40],
  ["p", 2 ** 50],
]);

const decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/**
 * Reads a size as Docker's options write it: a number and a unit of binary multiples, `10G` = 10 × 2³⁰ bytes.
 * `10g`, `10GB`, `10GiB`, `1.5T` and a plain number of bytes are sizes too.
 *
 * @param what named in the error: an option, say
 * @returns bytes
 */
export function parseSize(text: string, what = "size"): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) {
    throw new GraphError("EINVAL", `Cannot read ${what} '${text}': write a number and a unit, such as 512M or 10G`);
  }
  const bytes = Math.floor(Number(match[1]) * binaryUnits.get(match[2].toLowerCase())!);
  if (!Number.isSafeInteger(bytes)) throw new GraphError("EINVAL", `Cannot use ${what} '${text}': it is too large`);
  return bytes;
}

/**
 * Writes bytes for people, as Docker does: decimal multiples, four significant digits.
 *
 * @example humanSize(10737418240) === "10.74 GB"
 */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < decimalUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))} ${decimalUnits[unit]}`;
}
