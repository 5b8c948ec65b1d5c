import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DockerEngine } from "./docker-engine.ts";

/** What the shell of an image of ours can call. */
const applets =
  "cat chmod chown cp dd df echo find id ln ls mkdir mv rm sh sha256sum sleep sort stat sync touch true wc xargs";

/** A build context, the folder of a Dockerfile: `from scratch`, Debian's static busybox, and files of all sorts. */
export function writeBuildContext(folder: string, dockerfile: readonly string[]): string {
  mkdirSync(join(folder, "base/bin"), { recursive: true });
  mkdirSync(join(folder, "base/tmp"), { mode: 0o1777 });
  cpSync("/bin/busybox", join(folder, "base/bin/busybox"));
  for (const applet of applets.split(" ")) symlinkSync("busybox", join(folder, "base/bin", applet));
  mkdirSync(join(folder, "data/many"), { recursive: true });
  writeFileSync(join(folder, "data/large"), randomBytes(3_000_000));
  writeFileSync(join(folder, "data/gone"), "gone\n");
  writeFileSync(join(folder, "data/changed"), "as the layer below has it\n");
  for (let n = 0; n < 200; n++) writeFileSync(join(folder, `data/many/file-${n}`), randomBytes(500 + n));
  writeFileSync(join(folder, "Dockerfile"), [...dockerfile, ""].join("\n"));
  return folder;
}

/** A busybox that runs, in one layer. */
export const oneLayer = ["FROM scratch", "COPY base /", `CMD ["sh"]`];

/** Three layers: busybox; files; files changed, deleted, added and given other owners by a command that runs in a container. */
export const threeLayers = [
  "FROM scratch",
  "COPY base /",
  "COPY data /data",
  "RUN rm /data/gone /data/many/file-107 && echo changed > /data/changed && chown 12:34 /data/many/file-108 && chmod 4750 /data/many/file-109 && ln /data/large /data/linked",
];

/** Builds an image with Docker's classic builder. */
export async function build(engine: DockerEngine, context: string, tag: string): Promise<void> {
  await engine.ok("build", "--quiet", "--network", "none", "--tag", tag, context);
}

/** What a container's file system holds, a line each: mode, owners, time and name of everything, and a digest of every file of ours. */
export async function contents(engine: DockerEngine, container: string): Promise<string> {
  const listing = "find / -xdev -mindepth 1 ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path '/etc*' | sort";
  const script = `${listing} | xargs stat -c '%f %u %g %Y %s %n' && find /bin /data /tmp -type f | sort | xargs sha256sum`;
  const told = await engine.ok("exec", container, "sh", "-c", script);
  // A folder's size tells how it came to hold what it holds.
  return told.replace(/^(4[0-9a-f]{3}(?: \d+){3}) \d+ /gm, "$1 - ");
}
