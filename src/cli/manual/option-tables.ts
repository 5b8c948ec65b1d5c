import { storageOptionHelp } from "../../graph/options/storage-option-help.ts";

/**
 * docs/options.md with the rows of its tables as they are made now: below the heading of each kind of options the rows, which begin with
 * "| `dm.", are replaced.
 */
export function withOptionTables(markdown: string): string {
  return Object.entries(storageOptionHelp).reduce((text, [heading, options]) => {
    const rows = options.map(({ keys, defaultValue = "–", help }) => {
      const names = keys.map((key) => `\`dm.${key}\``).join(", ");
      return `| ${names} | ${defaultValue} | ${help} |\n`;
    });
    const start = text.indexOf(`\n## ${heading}\n`);
    if (start < 0) throw new Error(`Cannot find the heading '${heading}' in docs/options.md`);
    const table = /(?:^\| `dm\..*\n?)+/m;
    return text.slice(0, start) + text.slice(start).replace(table, () => rows.join(""));
  }, markdown);
}
