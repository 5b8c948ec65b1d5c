import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../src/image/digest.ts";
import {
  descriptorOf,
  makeImage,
  writeOciLayout,
  type TestImage,
  type TestLayer,
} from "../src/image/testing/make-images.ts";

/** What the shell of the image can call. */
const applets = "cat chmod chown cp dd echo find id ln ls mkdir mv rm sh sha256sum sleep sort stat sync touch wc xargs";
const folder = (name: string, mode = 0o755) => ({ name: `${name}/`, type: "5", mode });
const link = (name: string, target: string) => ({ name, type: "2", linkName: target, mode: 0o777 });

/** Debian's static busybox; files; files changed, deleted, moved into place and given other owners. */
function threeLayers(): TestLayer[] {
  const busybox = readFileSync("/bin/busybox");
  const many = Array.from({ length: 200 }, (_, n) => ({ name: `data/many/file-${n}`, content: randomBytes(500 + n) }));
  return [
    {
      entries: [
        ...[folder("bin"), folder("tmp", 0o1777), folder("proc"), folder("sys"), folder("dev")],
        { name: "bin/busybox", mode: 0o755, content: busybox },
        ...applets.split(" ").map((applet) => link(`bin/${applet}`, "busybox")),
      ],
      compression: "gzip",
    },
    {
      entries: [
        ...[folder("data"), folder("data/many"), ...many],
        { name: "data/large", content: randomBytes(3_000_000) },
        { name: "data/gone", content: "gone\n" },
        { name: "data/changed", content: "as the layer below has it\n" },
      ],
      compression: "zstd",
    },
    {
      entries: [
        folder("data"),
        { name: "data/.wh.gone" },
        { name: "data/changed", content: "changed\n" },
        { name: "data/owned", content: "owned\n", uid: 12, gid: 34, mode: 0o4750 },
      ],
      compression: "gzip",
    },
  ];
}

/**
 * Writes an image of three layers, whose command waits, as an OCI archive.
 *
 * @returns its path
 */
export function writeThreeLayers(scratch: string, name: string): string {
  const layout = join(scratch, "layout");
  const image = withCommand(makeImage(threeLayers()), ["/bin/sleep", "1000"]);
  const annotations = { "io.containerd.image.name": name };
  writeOciLayout(layout, [image], [descriptorOf(image.manifest, { annotations })]);
  const archive = join(scratch, "image.tar");
  execFileSync("tar", ["-C", layout, "-cf", archive, "."]);
  return archive;
}

function withCommand(image: TestImage, command: string[]): TestImage {
  const { config: run, ...rest } = JSON.parse(image.config.toString()) as { config: object };
  const config = Buffer.from(JSON.stringify({ ...rest, config: { ...run, Cmd: command } }));
  const manifest = JSON.parse(image.manifest.toString()) as { config: object };
  manifest.config = { ...manifest.config, digest: sha256(config), size: config.length };
  return { ...image, id: sha256(config), config, manifest: Buffer.from(JSON.stringify(manifest)) };
}

/** Shell commands that tell what a container's file system holds: mode, owners, size and name of everything, and a digest of every file of ours. */
export const listContents = [
  "find / -xdev -mindepth 1 ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' | sort | xargs stat -c '%f %u %g %s %n'",
  "find /bin /data /tmp -type f | sort | xargs sha256sum",
].join(" && ");
