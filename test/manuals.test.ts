import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { commandNames } from "../src/cli/command-list.ts";
import { withOptionTables } from "../src/cli/manual/option-tables.ts";
import { manualPages } from "../src/cli/manual/pages.ts";
import { thinTools } from "../src/cli/thin/thin-tools.ts";
import { packageFile } from "../src/linux/package-root.ts";

const read = (path: string): string => readFileSync(packageFile(path), "utf8");
const pages = await manualPages();
const again = "run `npm run manuals`";
const commandPages = commandNames().map((name) => `mica-${name.replaceAll(" ", "-")}.1`);
const linter = "/usr/bin/mandoc";

suite("the manual pages", () => {
  test("are as they are made now, and there are no others", () => {
    assert.deepEqual(readdirSync(packageFile("man")).sort(), [...pages.keys()].sort(), again);
    for (const [name, page] of pages) assert.equal(read(`man/${name}`), page, `man/${name}: ${again}`);
    assert.equal(read("docs/options.md"), withOptionTables(read("docs/options.md")), `docs/options.md: ${again}`);
  });

  test("are one for the whole, one for the configuration, one a command and one a tool", () => {
    const tools = Object.keys(thinTools).map((name) => `${name}.8`);
    const wanted = ["mica.1", "mica-config.5", ...commandPages, ...tools];
    assert.deepEqual(
      wanted.filter((name) => !pages.has(name)),
      [],
    );
    for (const name of tools) assert.ok(read("docs/thin-tools.md").includes(`\`${name.slice(0, -2)}\``), name);
  });

  test("are installed", () => {
    const { man } = JSON.parse(read("package.json")) as { man: string[] };
    assert.deepEqual(man.sort(), [...pages.keys()].map((name) => `man/${name}`).sort(), again);
  });

  for (const name of commandPages) {
    test(`${name} says what each argument and option is, and shows how it is used`, () => {
      const page = pages.get(name)!;
      assert.doesNotMatch(page, /^\.TP\n.*\n(?=\.|$)/m, "an entry without an explanation");
      if (name !== "mica-version.1") assert.match(page, /^\.SH EXAMPLES$/m);
    });
  }

  test("are sound by mandoc", { skip: !existsSync(linter) && `not installed: ${linter}` }, () => {
    const paths = [...pages.keys()].map((name) => join("man", name));
    const { stdout, status } = spawnSync(linter, ["-T", "lint", "-W", "warning", ...paths], {
      cwd: packageFile("."),
      encoding: "utf8",
    });
    assert.equal(stdout, "");
    assert.equal(status, 0);
  });
});
