import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { CredentialHelper } from "./credential-helper.ts";
import { eraseDockerCredentials, findDockerCredentials, storeDockerCredentials } from "./docker-credentials.ts";

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-credentials-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Puts a helper onto the path, and takes it off with the test. */
function withHelper(t: TestContext, folder: string, script: string): void {
  const path = join(folder, "docker-credential-mica-test");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const before = process.env.PATH;
  process.env.PATH = `${folder}:${before ?? ""}`;
  t.after(() => (process.env.PATH = before));
}

const auth = (text: string): string => Buffer.from(text).toString("base64");

test("finds what Docker wrote, in the forms of all times", async (t) => {
  const path = join(scratch(t), "config.json");
  writeFileSync(
    path,
    JSON.stringify({
      auths: {
        "https://index.docker.io/v1/": { auth: auth("hub:a:b") },
        "host:5000": { auth: auth("me:secret") },
        "https://old.example/v1/": { auth: auth("old:one") },
        "token.example": { auth: auth("me:x"), identitytoken: "t0ken" },
        "empty.example": {},
      },
    }),
  );
  const find = findDockerCredentials(path);
  assert.deepEqual(await find("docker.io"), { username: "hub", password: "a:b" });
  assert.deepEqual(await find("host:5000"), { username: "me", password: "secret" });
  assert.deepEqual(await find("old.example"), { username: "old", password: "one" });
  assert.deepEqual(await find("token.example"), { identityToken: "t0ken" });
  assert.equal(await find("empty.example"), undefined);
  assert.equal(await find("other.example"), undefined);
  assert.equal(await findDockerCredentials(join(path, "none"))("docker.io"), undefined);
});

test("asks the helper of a registry, else that of all, and none of another", async (t) => {
  const folder = scratch(t);
  const path = join(folder, "config.json");
  withHelper(t, folder, `read server; echo '{"Username":"<token>","Secret":"for '$server'"}'`);
  writeFileSync(path, JSON.stringify({ credsStore: "mica-test", credHelpers: { "other.example": "none-such" } }));
  assert.deepEqual(await findDockerCredentials(path)("docker.io"), {
    identityToken: "for https://index.docker.io/v1/",
  });
  await assert.rejects(findDockerCredentials(path)("other.example"), {
    code: "invalid",
    message: /Cannot get credentials with docker-credential-none-such: .*ENOENT/,
  });
});

test("says what is wrong with a helper", async (t) => {
  assert.throws(() => new CredentialHelper("../evil"), { code: "invalid" });
  const folder = scratch(t);
  const helper = new CredentialHelper("mica-test");
  for (const [script, message] of [
    ["echo '{}'", /its answer is not what helpers answer/],
    ["echo broken >&2; exit 3", /broken/],
    ["exit 3", /it ended with 3/],
    ["exec cat /dev/zero", /it ended with SIGKILL$/],
  ] as const) {
    withHelper(t, folder, script);
    await assert.rejects(helper.get("host"), { code: "invalid", message });
  }
  withHelper(t, folder, "echo credentials not found in native keychain; exit 1");
  assert.equal(await helper.get("host"), undefined);
  await helper.erase("host");
  await assert.rejects(helper.store("host", { username: "a", password: "b" }), { code: "invalid" });
});

test("keeps the rest of the file, and what a link leads to", async (t) => {
  const folder = scratch(t);
  const file = join(folder, "kept.json");
  const path = join(folder, "config.json");
  writeFileSync(file, '{"psFormat":"x"}');
  symlinkSync(file, path);
  await storeDockerCredentials("host:5000", { username: "me", password: "pässword" }, path);
  assert.deepEqual(await findDockerCredentials(path)("host:5000"), { username: "me", password: "pässword" });
  assert.equal((JSON.parse(readFileSync(file, "utf8")) as { psFormat: string }).psFormat, "x");
  assert.equal(await eraseDockerCredentials("host:5000", path), true);
  assert.equal(await eraseDockerCredentials("host:5000", path), false);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { psFormat: "x", auths: {} });
  assert.deepEqual(readdirSync(folder), ["config.json", "kept.json"]);
});

test("refuses a damaged file by name", async (t) => {
  const path = join(scratch(t), "config.json");
  for (const text of ["{", '{"auths":"x"}', '{"auths":{"a":{"auth":1}}}', "null"]) {
    writeFileSync(path, text);
    await assert.rejects(findDockerCredentials(path)("a"), { code: "invalid", message: /config\.json/ });
  }
});
