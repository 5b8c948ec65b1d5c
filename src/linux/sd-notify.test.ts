import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { takeNotifySocket } from "./sd-notify.ts";

/** Receives one datagram, as a service manager would: Node has no such sockets. */
async function receiver(t: TestContext, address: string): Promise<{ received: Promise<string> }> {
  const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", chr(0), 1))
print("bound", flush=True)
print(s.recv(4096).decode())`;
  const child = spawn("python3", ["-c", script, address], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const output = text(child.stdout);
  await once(child.stdout, "data");
  return { received: output.then((lines) => lines.trim().split("\n").slice(1).join("\n")) };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-notify-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("tells a service manager on a path, or in the abstract namespace", async (t) => {
  for (const address of [join(folderOf(t), "notify"), `@mica-notify-${process.pid}`]) {
    const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: address };
    const { received } = await receiver(t, address);
    takeNotifySocket(environment)("READY=1\nSTATUS=serving");
    assert.equal(await received, "READY=1\nSTATUS=serving");
    assert.deepEqual(environment, {});
  }
});

test("without a service manager nothing happens; with one that is gone it is said", (t) => {
  takeNotifySocket({})("READY=1");
  takeNotifySocket({ NOTIFY_SOCKET: "vsock:2:1234" })("READY=1");
  const gone = join(folderOf(t), "gone");
  assert.throws(() => takeNotifySocket({ NOTIFY_SOCKET: gone })("READY=1"), {
    code: "ENOENT",
    message: /service manager/,
  });
});
