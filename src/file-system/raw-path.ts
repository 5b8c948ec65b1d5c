/**
 * A path as the bytes it is made of, one character a byte ("latin1"): names in tars and file systems need not be UTF-8,
 * and such strings compare as their bytes do.
 */
export type RawPath = string;

/** The path for node's fs functions: a string where it is ASCII, which is quicker, else the bytes. */
export function fsPath(raw: RawPath): string | Buffer {
  return isAscii(raw) ? raw : Buffer.from(raw, "latin1");
}

/** The path for people: decoded as UTF-8, with what is not UTF-8 as U+FFFD. */
export function displayPath(raw: RawPath): string {
  return isAscii(raw) ? raw : Buffer.from(raw, "latin1").toString("utf8");
}

/** The path quoted for a message: control characters are shown as escapes, the middle of a very long one left out. */
export function quotePath(raw: RawPath): string {
  // eslint-disable-next-line no-control-regex -- these are what must not reach a terminal
  const shown = displayPath(raw).replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return shown.length <= 240 ? `'${shown}'` : `'${shown.slice(0, 110)} … ${shown.slice(-110)}'`;
}

/** Whether every byte is below 128, so that the raw path is the path. */
export function isAscii(raw: string): boolean {
  // eslint-disable-next-line no-control-regex -- all of ASCII is meant
  return /^[\x00-\x7f]*$/.test(raw);
}

/** Orders raw paths by their bytes. */
export function compareRaw(a: RawPath, b: RawPath): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
