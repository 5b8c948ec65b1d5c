import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { placePrivateSocket } from "./private-socket.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-socket-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function listening(t: TestContext): { server: Server; bind: (path: string) => Promise<void> } {
  const server = createServer((socket) => socket.on("error", () => undefined).end("hello"));
  t.after(() => server.close());
  return {
    server,
    bind: async (path) => {
      server.listen(path);
      await once(server, "listening");
    },
  };
}

test("a private socket is root's alone, answers at its path, and leaves nothing else behind", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "deep/er/mica.sock");
  const { bind } = listening(t);
  const socket = await placePrivateSocket(path, bind);
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  const client = connect(path);
  const [data] = (await once(client, "data")) as [Buffer];
  assert.equal(data.toString(), "hello");
  socket.remove();
  assert.deepEqual(readdirSync(join(folder, "deep/er")), []);
});

test("a socket that a dead process left is replaced; a living one's is not", async (t) => {
  const path = join(folderOf(t), "mica.sock");
  const first = listening(t);
  const placed = await placePrivateSocket(path, first.bind);
  await assert.rejects(placePrivateSocket(path, listening(t).bind), /another process listens there/);
  first.server.close();
  assert.ok(existsSync(path), "closing the server leaves the file, as a death would");
  const second = await placePrivateSocket(path, listening(t).bind);
  placed.remove();
  assert.ok(existsSync(path), "the first one does not take the second one's away");
  second.remove();
  assert.ok(!existsSync(path));
});

test("what cannot be a socket is refused by name", async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "file"), "kept");
  const bind = (): Promise<void> => Promise.reject(new Error("not to be called"));
  await assert.rejects(placePrivateSocket(join(folder, "file"), bind), /file': there is something else/);
  await assert.rejects(placePrivateSocket("relative.sock", bind), /has to be absolute/);
  await assert.rejects(placePrivateSocket(join(folder, "x".repeat(100)), bind), /too long for a socket/);
  assert.deepEqual(readdirSync(folder), ["file"]);
});
