import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { thinTools } from "../src/cli/thin/thin-tools.ts";
import { toolManual } from "../src/cli/thin/tool-manual.ts";
import { toolUsage } from "../src/cli/thin/tool-usage.ts";

const names = Object.keys(thinTools);
const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

suite("the manual pages of the thin tools", () => {
  test("are as they are made now (node --import tsx scripts/make-manuals.ts)", async () => {
    for (const name of names) {
      const { tool } = await thinTools[name]();
      assert.equal(tool.name, name);
      assert.equal(read(`man/${name}.8`), toolManual(tool, names), `man/${name}.8`);
      for (const { long } of tool.options) assert.ok(toolUsage(tool).includes(`--${long}`));
    }
  });

  test("are installed, and every tool stands in the overview and in mica's manual", () => {
    const { man } = JSON.parse(read("package.json")) as { man: string[] };
    for (const name of names) {
      assert.ok(man.includes(`man/${name}.8`), name);
      assert.ok(read("docs/thin-tools.md").includes(`\`${name}\``), name);
      assert.ok(read("man/mica.1").includes(name), name);
    }
  });
});
