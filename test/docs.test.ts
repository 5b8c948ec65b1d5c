import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { storageOptionHelp } from "../src/graph/options/storage-option-help.ts";
import { storageOptionKeys } from "../src/graph/options/parse-storage-options.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];

suite("the documentation follows the code", () => {
  test("every storage option stands in docs/options.md and in the manual", () => {
    const described = Object.values(storageOptionHelp).flatMap((options) => options.flatMap(({ keys }) => keys));
    assert.deepEqual(described.sort(), [...storageOptionKeys].sort());
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
