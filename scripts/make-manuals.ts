// Writes the manual pages of the thin tools, man/thin_*.8, from what their help is made from.
import { writeFileSync } from "node:fs";
import { thinTools } from "../src/cli/thin/thin-tools.ts";
import { toolManual } from "../src/cli/thin/tool-manual.ts";

const names = Object.keys(thinTools);
for (const name of names) {
  const { tool } = await thinTools[name]();
  writeFileSync(new URL(`../man/${name}.8`, import.meta.url), toolManual(tool, names));
}
