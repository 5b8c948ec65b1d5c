/** One way to authenticate that a registry offers (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In small letters: "basic", "bearer". */
  scheme: string;
  /** Names in small letters. */
  parameters: Map<string, string>;
}

const token = String.raw`[!#$%&'*+\-.^_\`|~0-9A-Za-z]+`;
const quoted = String.raw`"(?:[^"\\]|\\.)*"`;
const parameter = new RegExp(String.raw`\s*(${token})\s*=\s*(${quoted}|${token})\s*(?:,|$)`, "y");
const scheme = new RegExp(String.raw`[\s,]*(${token})(?:\s+|$|(?=,))`, "y");
const MAX_HEADER = 16 << 10;

/** Reads WWW-Authenticate headers. What cannot be read is left out. */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const texts = header === undefined ? [] : Array.isArray(header) ? header : [header];
  return texts.flatMap((text) => parseHeader(text.slice(0, MAX_HEADER)));
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const match = (form: RegExp): RegExpExecArray | undefined => {
    form.lastIndex = at;
    const found = form.exec(text) ?? undefined;
    if (found !== undefined) at = form.lastIndex;
    return found;
  };
  for (let named = match(scheme); named !== undefined; named = match(scheme)) {
    const parameters = new Map<string, string>();
    for (let each = match(parameter); each !== undefined; each = match(parameter)) {
      parameters.set(each[1].toLowerCase(), unquote(each[2]));
    }
    challenges.push({ scheme: named[1].toLowerCase(), parameters });
  }
  return challenges;
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}
