import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { packageFile } from "../linux/package-root.ts";
import { apiRoutes } from "./routes/api-routes.ts";

const document = readFileSync(packageFile("docs/api.md"), "utf8");
const sections = new Map(
  [...document.matchAll(/^### `(\w+ [^`]+)`\n([^]*?)(?=^##|$(?![^]))/gm)].map((match) => [match[1], match[2]]),
);
const routes = apiRoutes("0", { outcome: () => undefined });

test("docs/api.md tells every call, and no other", () => {
  assert.deepEqual([...sections.keys()].sort(), routes.map(({ method, path }) => `${method} ${path}`).sort());
});

test("every call has an example with curl that goes to it", () => {
  for (const { method, path } of routes) {
    const example = sections.get(`${method} ${path}`) ?? "";
    const [, command = ""] = /^```sh\n(?:.*\| )?(api .*)$/m.exec(example) ?? [];
    const form = path.replace(/:\w+/g, "[^/\\s']+");
    assert.match(command, new RegExp(`http://mica${form}(?:\\?[^\\s']*)?(?:'|$| \\|)`), `${method} ${path}`);
    const used = /-X (\w+)/.exec(command)?.[1] ?? (command.includes("--json") ? "POST" : "GET");
    assert.equal(used, method, `${method} ${path}`);
  }
});
