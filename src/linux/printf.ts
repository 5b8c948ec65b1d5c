/** Flags, width, precision, length modifier, conversion. */
const conversion = /%([-+ #0]*)(\d+|\*)?(?:\.(\d+|\*))?(?:hh|h|ll|l|z|j|t)?([diuxXocspm%])/g;
const longConversion = /(?:ll|l|z|j|t)[a-zA-Z]$/;

/**
 * What C's printf would make of a format and the 64-bit words that its values were passed in. Integers, characters, strings and
 * pointers; others are left as they stand.
 *
 * @param stringAt reads a C string
 */
export function format(
  template: string,
  values: readonly (number | bigint)[],
  stringAt: (address: bigint) => string,
): string {
  let next = 0;
  const take = (): bigint => BigInt(values[next++] ?? 0);
  return template.replace(
    conversion,
    (whole, flags: string, width: string | undefined, precision: string | undefined, kind: string) => {
      if (kind === "%") return "%";
      const least = width === "*" ? Number(BigInt.asIntN(32, take())) : Number(width ?? 0);
      const digits = precision === "*" ? Number(BigInt.asIntN(32, take())) : Number(precision ?? NaN);
      if (next >= values.length) return "…";
      const text = convert(kind, take(), { long: longConversion.test(whole), digits, stringAt });
      return pad(text, Math.abs(least), flags.includes("-") || least < 0, flags.includes("0") && kind !== "s");
    },
  );
}

function convert(
  kind: string,
  word: bigint,
  how: { long: boolean; digits: number; stringAt: (address: bigint) => string },
): string {
  const unsigned = how.long ? word : BigInt.asUintN(32, word);
  switch (kind) {
    case "s": {
      const text = word === 0n ? "(null)" : how.stringAt(word);
      return Number.isNaN(how.digits) ? text : text.slice(0, how.digits);
    }
    case "p":
      return `0x${word.toString(16)}`;
    case "c":
      return String.fromCharCode(Number(BigInt.asUintN(8, word)));
    case "d":
    case "i":
      return withDigits(BigInt.asIntN(how.long ? 64 : 32, word), 10, how.digits);
    case "x":
      return withDigits(unsigned, 16, how.digits);
    case "X":
      return withDigits(unsigned, 16, how.digits).toUpperCase();
    case "o":
      return withDigits(unsigned, 8, how.digits);
    default:
      return withDigits(unsigned, 10, how.digits);
  }
}

/** With a precision a number has at least so many digits, and zero with none is nothing. */
function withDigits(value: bigint, radix: number, digits: number): string {
  if (digits === 0 && value === 0n) return "";
  const text = (value < 0n ? -value : value).toString(radix).padStart(Number.isNaN(digits) ? 0 : digits, "0");
  return value < 0n ? `-${text}` : text;
}

function pad(text: string, width: number, left: boolean, zeroes: boolean): string {
  if (left) return text.padEnd(width);
  return text.padStart(width, zeroes ? "0" : " ");
}
