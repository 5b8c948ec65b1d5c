import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChallenges } from "./challenge.ts";

function parsed(header: string | string[] | undefined): object[] {
  return parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, ...Object.fromEntries(parameters) }));
}

test("reads what registries send", () => {
  assert.deepEqual(
    parsed('Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'),
    [
      {
        scheme: "bearer",
        realm: "https://auth.example/token",
        service: "registry.example",
        scope: "repository:a/b:pull,push",
      },
    ],
  );
  assert.deepEqual(parsed('Basic realm="a \\"quoted\\" realm"'), [{ scheme: "basic", realm: 'a "quoted" realm' }]);
});

test("reads several challenges, in one header or in many", () => {
  const both = [
    { scheme: "basic", realm: "a, b" },
    { scheme: "bearer", realm: "https://x/t", service: "s" },
  ];
  assert.deepEqual(parsed('Basic realm="a, b", Bearer realm="https://x/t" , service=s'), both);
  assert.deepEqual(parsed(['Basic realm="a, b"', 'BEARER Realm="https://x/t",Service="s"']), both);
  assert.deepEqual(parsed("Negotiate, Basic realm=x"), [{ scheme: "negotiate" }, { scheme: "basic", realm: "x" }]);
});

test("makes nothing of what it cannot read", () => {
  for (const header of [undefined, "", '"', "=", ',,,"', 'realm="x'.repeat(2000)]) {
    assert.equal(
      parseChallenges(header).some(({ parameters }) => parameters.has("realm")),
      false,
      header?.slice(0, 20),
    );
  }
});
