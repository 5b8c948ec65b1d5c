// Writes man/, its list in package.json, and the tables of docs/options.md, from what help and parsers are made from: `npm run manuals`.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { packageFile } from "../src/linux/package-root.ts";
import { withOptionTables } from "../src/cli/manual/option-tables.ts";
import { manualPages } from "../src/cli/manual/pages.ts";

const pages = await manualPages();
for (const [name, page] of pages) writeFileSync(packageFile(`man/${name}`), page);
for (const name of readdirSync(packageFile("man"))) if (!pages.has(name)) rmSync(packageFile(`man/${name}`));

change("package.json", (text) => {
  const list = { ...(JSON.parse(text) as object), man: [...pages.keys()].sort().map((name) => `man/${name}`) };
  return `${JSON.stringify(list, undefined, 2)}\n`;
});
change("docs/options.md", withOptionTables);

function change(path: string, into: (text: string) => string): void {
  const before = readFileSync(packageFile(path), "utf8");
  const after = into(before);
  if (after !== before) writeFileSync(packageFile(path), after);
}
