import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandNames } from "../src/cli/command-list.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const manual = read("man/mica.1").replaceAll("\\-", "-");
const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];

suite("the documentation follows the code", () => {
  test("every command stands in the manual", () => {
    for (const name of commandNames()) {
      assert.match(manual, new RegExp(`^\\.BI? "?mica ${name}\\b`, "m"), name);
    }
  });

  test("every storage option stands in docs/options.md and in the manual", () => {
    const source = read("src/graph/options/parse-storage-options.ts");
    const table = source.slice(source.indexOf("const readers"), source.indexOf("\n};"));
    const keys = [...table.matchAll(/^ {2}(\w+): /gm)].map((match) => match[1]);
    assert.ok(keys.length > 20, "the table of options was found");
    for (const key of keys) {
      assert.ok(read("docs/options.md").includes(`\`dm.${key}\``), `docs/options.md lacks dm.${key}`);
      assert.ok(manual.includes(`dm.${key}`), `man/mica.1 lacks dm.${key}`);
    }
  });

  test("every package that is needed at run time has its reason in docs/dependencies.md", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
    for (const name of Object.keys(dependencies)) assert.ok(read("docs/dependencies.md").includes(name), name);
  });

  test("links between pages lead somewhere", () => {
    for (const page of pages) {
      for (const [, target] of read(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        if (/^https?:/.test(target)) continue;
        assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`);
      }
    }
  });
});
