import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { makeImage } from "../src/image/testing/make-images.ts";
import { findDockerCredentials } from "../src/registry/credentials/docker-credentials.ts";
import type { Credentials } from "../src/registry/credentials/credentials.ts";
import { micaCommand, outcomeOf, type Outcome } from "./cli-support.ts";
import type { RegistryConfiguration } from "./docker-registry.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { impatience, leftInStore, nothingLeft, pushWithSkopeo, registryBench } from "./registry-support.ts";
import { makeKeyPair, refreshToken, startTokenServer } from "./token-server.ts";

const image = makeImage([{ entries: [{ name: "a", content: "a" }], compression: "gzip" }]);
const ci = { username: "ci", password: "secret" };
const nobody = (): Promise<undefined> => Promise.resolve(undefined);
const as = (credentials: Credentials) => (): Promise<Credentials> => Promise.resolve(credentials);

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-auth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A registry that knows `ci` with "secret". */
function withPassword(t: TestContext): RegistryConfiguration {
  const path = join(scratch(t), "htpasswd");
  writeFileSync(path, "ci:$2b$04$ewse6DZ1IaAse5LkQqX1QOPwK3VtISIa.yAqOfO3IZ8CjZieNvf9u\n"); // bcrypt of "secret"
  return { auth: { htpasswd: { realm: "test", path } } };
}

suite("a registry with names and passwords", () => {
  test("is shown them when it asks, and what is wrong is said", async (t) => {
    const bench = await registryBench(t, withPassword(t));
    if (bench === undefined) return;
    const { store, devices, registry } = bench;
    const args = ["--dest-creds", "ci:secret"];
    await pushWithSkopeo(bench, registry.address, [image], "app:1", { args });
    const name = `${registry.address}/app:1`;
    const options = { insecure: true, patience: impatience };
    await assert.rejects(store.pull(name, { ...options, credentials: nobody }), {
      code: "unauthorized",
      message: /it asks for credentials and there are none\. `mica login 127\.0\.0\.1:\d+` stores them/,
    });
    await assert.rejects(store.pull(name, { ...options, credentials: as({ username: "ci", password: "guess" }) }), {
      code: "unauthorized",
      message: /it refuses the credentials/,
    });
    assert.deepEqual(leftInStore(devices), nothingLeft);
    await store.pull(name, { ...options, credentials: as(ci) });
    await store.push(name, `${registry.address}/copy:1`, { ...options, credentials: as(ci) });
  });

  test("is all that they are shown to: not to where it sends its clients", async (t) => {
    const bench = await registryBench(t, withPassword(t));
    if (bench === undefined) return;
    const { store, registry } = bench;
    await pushWithSkopeo(bench, registry.address, [image], "app:1", { args: ["--dest-creds", "ci:secret"] });
    const { layers } = image;
    const proxy = await startFaultProxy(t, registry.address);
    const elsewhere = await startFaultProxy(t, registry.address);
    elsewhere.fault = () => ({ kind: "answer", status: 200, body: layers[0].blob });
    const location = `http://user:pass@${elsewhere.address}/v2/app/blobs/${layers[0].digest}?signed=yes`;
    proxy.fault = ({ url }) =>
      url.includes(layers[0].digest) ? { kind: "answer", status: 307, headers: { location } } : undefined;
    await store.pull(`${proxy.address}/app:1`, { insecure: true, credentials: as(ci) });
    assert.match(proxy.seen.at(-1)?.headers.authorization ?? "", /^Basic /);
    assert.equal(elsewhere.seen.length, 1);
    assert.equal(elsewhere.seen[0].headers.authorization, undefined);
  });
});

suite("a registry with a token server", () => {
  test("is asked with tokens: for nobody, for a password, for the token of a login", async (t) => {
    const tokens = await startTokenServer(t, scratch(t));
    const bench = await registryBench(t, { auth: tokens.auth });
    if (bench === undefined) return;
    const { store, registry } = bench;
    for (const name of ["public/app:1", "private/app:1"]) {
      await pushWithSkopeo(bench, registry.address, [image], name, { args: ["--dest-creds", "ci:secret"] });
    }
    const pull = (path: string, credentials: () => Promise<Credentials | undefined>): Promise<unknown> =>
      store.pull(`${registry.address}/${path}`, { insecure: true, patience: impatience, credentials });
    tokens.asked.length = 0;
    await pull("public/app:1", nobody);
    assert.equal(tokens.asked.length, 1, "one token for a whole pull");
    assert.deepEqual(tokens.asked[0].parameters.getAll("scope"), ["repository:public/app:pull"]);
    assert.equal(tokens.asked[0].parameters.get("service"), "test registry");
    await assert.rejects(pull("private/app:1", nobody), { code: "unauthorized" });
    await pull("private/app:1", as(ci));
    await assert.rejects(pull("private/app:1", as({ username: "ci", password: "guess" })), {
      code: "unauthorized",
      message: /it refuses the credentials/,
    });
    tokens.asked.length = 0;
    await pull("private/app:1", as({ identityToken: refreshToken }));
    assert.deepEqual(
      tokens.asked.map(({ method }) => method),
      ["POST"],
    );
    tokens.asked.length = 0;
    await store.push(`${registry.address}/private/app:1`, `${registry.address}/team/app:2`, {
      insecure: true,
      credentials: as(ci),
    });
    const scopes = new Set(tokens.asked.flatMap(({ parameters }) => parameters.getAll("scope")));
    assert.ok(scopes.has("repository:team/app:pull,push"));
  });
});

suite("a registry with TLS", () => {
  test("is only spoken with when its certificate is trusted, or any is to be taken", async (t) => {
    const pair = makeKeyPair(scratch(t), "registry");
    const bench = await registryBench(t, { tls: pair });
    if (bench === undefined) return;
    const { store, registry } = bench;
    await pushWithSkopeo(bench, registry.address, [image], "app:1");
    const name = `${registry.address}/app:1`;
    await assert.rejects(store.pull(name, { patience: impatience }), {
      code: "unreachable",
      message: /an authority that this machine does not trust .*--insecure/,
    });
    await store.pull(name, { registries: { [registry.address]: { ca: pair.certificate } } });
    await store.push(name, `${registry.address}/copy:1`, { registries: { [registry.address]: { insecure: true } } });
    await store.pull(`${registry.address}/copy:1`, { insecure: true });
  });

  test("is not followed to where there is none", async (t) => {
    const pair = makeKeyPair(scratch(t), "registry");
    const bench = await registryBench(t, { tls: pair });
    if (bench === undefined) return;
    const { store, registry } = bench;
    await assert.rejects(
      store.pull("mirrored.invalid/app:1", {
        registries: { "mirrored.invalid": { mirrors: [`https://${registry.address}`] } },
        patience: impatience,
      }),
      { code: "unreachable", message: /no host of that name.*Of its mirrors: .*does not trust/ },
    );
  });
});

suite("mica login and logout", () => {
  async function setUp(t: TestContext): Promise<
    | {
        address: string;
        config: string;
        folder: string;
        mica: (words: string[], input?: string) => Promise<Outcome>;
      }
    | undefined
  > {
    const bench = await registryBench(t, withPassword(t));
    if (bench === undefined) return undefined;
    const folder = scratch(t);
    const env = {
      ...process.env,
      DOCKER_CONFIG: join(folder, "docker"),
      PATH: `${folder}:${process.env.PATH ?? ""}`,
      MICA_ROOT: join(folder, "graph"),
    };
    return {
      address: bench.registry.address,
      config: join(folder, "docker", "config.json"),
      folder,
      mica: (words, input) =>
        outcomeOf(spawn(process.execPath, [micaCommand, ...words], { env }), Buffer.from(input ?? "")),
    };
  }

  test("keep and forget credentials in Docker's configuration, and leave the rest of it", async (t) => {
    const set = await setUp(t);
    if (set === undefined) return;
    const { address, config, mica } = set;
    mkdirSync(join(config, ".."));
    writeFileSync(config, '{"detachKeys":"ctrl-x","auths":{"other":{"auth":"eDp5"}}}', { mode: 0o644 });
    const login = (password: string): Promise<Outcome> =>
      mica(["login", "--insecure", "--username", "ci", "--password-stdin", address], password);
    const refused = await login("guess\n");
    assert.deepEqual([refused.status, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /^mica: Cannot log in at 127\.0\.0\.1:\d+: it refuses this name and password\n$/);
    const { status, stdout, stderr } = await login("secret\n");
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`^Logged in at ${address}\\. The credentials are in .*config\\.json`));
    assert.equal(statSync(config).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(config, "utf8")), {
      detachKeys: "ctrl-x",
      auths: { other: { auth: "eDp5" }, [address]: { auth: Buffer.from("ci:secret").toString("base64") } },
    });
    assert.deepEqual(await findDockerCredentials(config)(address), ci);
    assert.match((await mica(["logout", address])).stdout, /^Logged out of /);
    assert.match((await mica(["logout", address])).stdout, /^There were no credentials for /);
    assert.deepEqual(JSON.parse(readFileSync(config, "utf8")), {
      detachKeys: "ctrl-x",
      auths: { other: { auth: "eDp5" } },
    });
  });

  test("use the credential helper that it names", async (t) => {
    const set = await setUp(t);
    if (set === undefined) return;
    const { address, config, folder, mica } = set;
    const kept = join(folder, "kept");
    const helper = join(folder, "docker-credential-test");
    writeFileSync(
      helper,
      `#!/bin/sh
case $1 in
store) cat >'${kept}' ;;
get) cat >/dev/null; cat '${kept}' 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) cat >/dev/null; rm '${kept}' ;;
esac
`,
    );
    chmodSync(helper, 0o755);
    mkdirSync(join(config, ".."));
    writeFileSync(config, JSON.stringify({ credHelpers: { [address]: "test" } }));
    const { status, stderr } = await mica(["login", "--insecure", "-u", "ci", "--password-stdin", address], "secret");
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(readFileSync(kept, "utf8")), { ServerURL: address, Username: "ci", Secret: "secret" });
    assert.equal(readFileSync(config, "utf8").includes('auth"'), false, "no password in the file");
    const shown = JSON.parse((await mica(["logout", "--json", address])).stdout) as object;
    assert.deepEqual(shown, { registry: address, removed: true });
    assert.throws(() => statSync(kept), { code: "ENOENT" });
  });

  test("say what is missing", async (t) => {
    const set = await setUp(t);
    if (set === undefined) return;
    const { mica } = set;
    for (const [words, says] of [
      [["login"], /without a name: give --username/],
      [["login", "-u", "ci"], /give --password-stdin/],
      [["login", "-u", "ci", "--password-stdin"], /standard input holds no password/],
    ] as const) {
      const { status, stderr } = await mica([...words]);
      assert.equal(status, 2);
      assert.match(stderr, says);
    }
    const odd = await mica(["login", "a b", "-u", "ci", "--password-stdin"], "x");
    assert.match(odd.stderr, /Cannot use 'a b' as a registry/);
  });
});
