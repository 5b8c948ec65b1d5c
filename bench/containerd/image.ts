import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { descriptorOf, makeImage, writeOciLayout, type TestLayer } from "../../src/image/testing/make-images.ts";

const folder = (name: string) => ({ name: `${name}/`, type: "5", mode: 0o755 });

/** Text that compresses about as programs' sources do. */
function sourceText(bytes: number): Buffer {
  const words = Array.from({ length: 200 }, () => randomBytes(4).toString("hex"));
  let text = "";
  while (text.length < bytes) text += `${words[Math.floor(Math.random() * words.length)]} `;
  return Buffer.from(text.slice(0, bytes));
}

function files(under: string, count: number, bytes: number): TestLayer["entries"] {
  const folders = Array.from({ length: Math.ceil(count / 100) }, (_, n) => folder(`${under}/${n}`));
  const entries = Array.from({ length: count }, (_, n) => ({
    name: `${under}/${Math.floor(n / 100)}/file-${n}.js`,
    content: sourceText(bytes),
  }));
  return [folder(under), ...folders, ...entries];
}

/**
 * An image as a web application's is: the runtime (Node itself), packages of many small files, the application, its configuration. Gzipped layers,
 * in an OCI archive.
 */
export function writeApplicationImage(dir: string, name: string): string {
  const node = readFileSync(realpathSync(process.execPath));
  const layers: TestLayer[] = [
    { entries: [folder("bin"), { name: "bin/node", mode: 0o755, content: node }] },
    { entries: [folder("app"), ...files("app/packages", 10_000, 3000)] },
    { entries: files("app/source", 1000, 6000) },
    { entries: [folder("app/assets"), { name: "app/assets/large", content: randomBytes(20_000_000) }] },
    { entries: [{ name: "app/configuration", content: "as it is\n" }, { name: "app/source/0/.wh.file-3.js" }] },
  ].map((layer) => ({ ...layer, compression: "gzip" }));
  const layout = join(dir, "application");
  const image = makeImage(layers);
  const annotations = { "io.containerd.image.name": name };
  writeOciLayout(layout, [image], [descriptorOf(image.manifest, { annotations })]);
  const archive = join(dir, "application.tar");
  execFileSync("tar", ["-C", layout, "-cf", archive, "."]);
  rmSync(layout, { recursive: true });
  return archive;
}
