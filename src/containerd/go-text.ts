const escape = /\\(?:([abfnrtv\\"'/|])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[^]|$)/g;
const controls: Record<string, string> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * What a literal of Go's says (the Go language's specification, "String literals"). Bytes above 0x7f are read as characters.
 *
 * @param literal between the quotes
 * @returns undefined where an escape is none of Go's
 */
export function goText(literal: string): string | undefined {
  const illegal: string[] = [];
  const text = literal.replace(
    escape,
    (found, single?: string, octal?: string, byte?: string, short?: string, long?: string) => {
      if (single !== undefined) return controls[single] ?? single;
      const code = octal === undefined ? parseInt(byte ?? short ?? long ?? "", 16) : parseInt(octal, 8);
      if (code <= 0x10ffff && (octal === undefined || code <= 0xff)) return String.fromCodePoint(code);
      illegal.push(found);
      return "";
    },
  );
  return illegal.length === 0 ? text : undefined;
}
