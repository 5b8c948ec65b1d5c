import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { packageFile } from "../src/linux/package-root.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { micaCommand, outcomeOf, type Outcome } from "./cli-support.ts";

/** Facts of the fixture; see test/fixtures/README.md. */
export const fixture = {
  base: "sha256:3fe82e5e50d9413185655f782933f7b140d3874654f397f48ddf600e9c6955c2",
  img2: "sha256:0c60bee5c43a7682ae7b295287c1baa551e455e391bae479286c8aff933871fc",
  baseLayer: "sha256:a76f0e6ee30e3909a587c75f10c0c33f83e74329c1e8fa9f2b8321d93970a01b",
  img2Layer: "sha256:ddcc68ed67343465570e6f8d7664cfe9bdca04135ec3e1ceb1d41df98c38f7b4",
  img2Chain: "sha256:98c39c6aa0884dc6b5ef02ccdedad6c7115f8253ea1ab7cd4c46b1ac2882d30a",
  c1: "45470184b4bbb369cb9ea20230980098e05aedfb22113ed1239c86300a0c0d58",
  c2: "3655dcfc66e1d349b38187ad17536b7fc41cce5901425d370c41716a241eca84",
  c1Device: "4f861861d7794c8914c2ef9b2e88a05323939b166979e8630ad1b5fd689c501c",
  c2Device: "9cc087359beea8313b6738ffa0d29a6ce5cd91a29dd8569a146b44cc8d604ce4",
  baseDevice: "7e62c4b21d7e49449df8a2c95abf3c58b692f6c9b325747f3b93f989497f1ec8",
  img2Device: "f40829dfbca90cd5f1f2dd978260634e52d5955d7beddb0f43210f1f04fc0b6c",
  diffC1: [
    "A /data",
    "A /data/deep",
    "A /data/deep/r1",
    "A /data/deep/r2",
    "A /data/deep/r3",
    "C /etc",
    "C /etc/base.txt",
    "D /etc/f1",
    "D /etc/f2",
    "A /etc/x",
  ],
  diffC2: ["C /etc", "A /etc/newfile"],
};

const dataFile = "devicemapper/devicemapper/data";
let unpacked: string | undefined;

after(() => {
  if (unpacked !== undefined) rmSync(unpacked, { recursive: true });
});

/**
 * The graph that Docker 20.10 made, in a folder that goes with the test. Its pool's data file is shared between the tests: whoever writes to it
 * needs a copy.
 *
 * @returns its data root
 */
export function dockerGraph(t: TestContext): string {
  if (unpacked === undefined) {
    unpacked = mkdtempSync(join(tmpdir(), "mica-adopt-"));
    execFileSync("tar", ["-C", unpacked, "-xSJf", packageFile("test/fixtures/docker-20.10-graph-ext4.tar.xz")]);
  }
  const folder = scratchFolder(t);
  execFileSync("tar", ["-C", folder, "-xSf", "-"], {
    input: execFileSync("tar", ["-C", unpacked, "-cS", `--exclude=./${dataFile}`, "."], { maxBuffer: 1 << 28 }),
  });
  linkSync(join(unpacked, dataFile), join(folder, dataFile));
  return folder;
}

/** `mica adopt ARGS`. */
export function adopt(...args: string[]): Promise<Outcome> {
  return outcomeOf(spawn(process.execPath, [micaCommand, "adopt", ...args]));
}

/** As `adopt`, with --json; it must end with the status. */
export async function adoptJson<T>(status: number, ...args: string[]): Promise<T> {
  const outcome = await adopt(...args, "--json");
  if (outcome.status !== status) throw new Error(`ended with ${outcome.status ?? "a signal"}: ${outcome.stderr}`);
  return JSON.parse(outcome.stdout) as T;
}

/** Each file's inode and times: whoever writes to one changes them. Reading may change the time of access only. */
export function stampsOf(folder: string): Map<string, string> {
  const stamps = new Map<string, string>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const { ino, size, mtimeNs, ctimeNs } = lstatSync(join(folder, name), { bigint: true });
    stamps.set(name, `${ino} ${size} ${mtimeNs} ${ctimeNs}`);
  }
  return stamps;
}

/** The pool's metadata. */
export function metadataOf(dataRoot: string): string {
  return join(dataRoot, "devicemapper/devicemapper/metadata");
}

/** Changes bytes of one metadata block, in the middle of what it holds. */
export function garble(path: string, block: number): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, Buffer.alloc(64, 0xa5), 0, 64, block * 4096 + 40);
  } finally {
    closeSync(fd);
  }
}

/** A 64-bit number of a metadata block. */
export function wordAt(path: string, block: number, offset: number): number {
  const fd = openSync(path, "r");
  const bytes = Buffer.alloc(8);
  try {
    readSync(fd, bytes, 0, 8, block * 4096 + offset);
  } finally {
    closeSync(fd);
  }
  return Number(bytes.readBigUInt64LE());
}

/** Changes a JSON file. */
export function editJson(path: string, edit: (value: Record<string, unknown>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  edit(value);
  writeFileSync(path, JSON.stringify(value));
}
