/** Of this version of Mica; a page without a date is not sound. */
const date = "2026-11-25";

/** A word of prose that names something: what stands in backticks, an option, or one of the given names. */
const word = /`([^`]+)`|(?<![\w-])(--?[a-z][a-z-]*)|(?<![\w-])([A-Z][A-Z/-]*[A-Z])(?![\w-])/g;

/** Text for roff as it stands: nothing in it is an escape, a request or a hyphen. For -man, see groff_man(7). */
export function literal(text: string): string {
  return plain(text).replaceAll("-", "\\-");
}

/** A literal in bold. */
export function bold(text: string): string {
  return `\\fB${literal(text)}\\fR`;
}

/** A literal in italics. */
export function italic(text: string): string {
  return `\\fI${literal(text)}\\fR`;
}

/**
 * Prose of a help text: what stands in backticks and options become bold.
 *
 * @param names of arguments, in capitals as the prose has them; they become italic
 */
export function prose(text: string, names: readonly string[] = []): string {
  let shown = "";
  let end = 0;
  for (const match of text.matchAll(word)) {
    const [quoted, option, name] = match.slice(1) as (string | undefined)[];
    if (name !== undefined && !names.includes(name)) continue;
    shown += plain(text.slice(end, match.index)) + (name === undefined ? bold(quoted ?? option ?? "") : italic(name));
    end = match.index + match[0].length;
  }
  return shown + plain(text.slice(end));
}

/** An entry of a list: what it is about, and what is said of it. */
export function entry(term: string, explanation: string): string[] {
  return [".TP", term, explanation];
}

/** A section, unless there is nothing in it. */
export function section(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${heading}`, ...lines];
}

/** A page's head. @param number of the manual's section: 1, 5, 8 */
export function head(name: string, number: number, summary: string, source: string): string[] {
  const volume = { 1: "User Commands", 5: "File Formats", 8: "System Administration" }[number] ?? "";
  return [
    `.\\" Made by scripts/make-manuals.ts from ${source}; change it there.`,
    `.TH ${literal(name.toUpperCase())} ${number} "${date}" "mica" "${volume}"`,
    ".SH NAME",
    `${literal(name)} \\- ${plain(summary)}`,
  ];
}

/** References to other pages, given as "skopeo(1)". */
export function references(pages: readonly string[]): string[] {
  return pages.map((page, index) => {
    const [, name, number] = /^(.*)\((\d)\)$/.exec(page)!;
    return `.BR ${literal(name)} (${number})${index === pages.length - 1 ? "" : ","}`;
  });
}

function plain(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replace(
      /[^\0-\x7f]/gu,
      (character) => `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replace(/^(?=[.'])/, "\\&");
}
