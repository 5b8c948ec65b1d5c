import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { makeFifo, makeNode, setTimes } from "../../linux/special-files.ts";
import { allocate } from "../../linux/fallocate.ts";
import { setXattr } from "../../linux/xattr.ts";

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFSOCK = 0o140000;

/** How much to make, and of what the file system can hold. */
export interface PopulateOptions {
  /** Entries of the one large folder. */
  many: number;
  /** Whether it preallocates space. */
  unwritten: boolean;
  /** Bytes of one large attribute; more than a block where the file system allows it. */
  attributeBytes?: number | undefined;
}

/** Fills a folder with every kind of entry that a root file system may have. */
export function populate(top: string, { many, unwritten, attributeBytes = 700 }: PopulateOptions): void {
  for (const size of [0, 1, 59, 60, 61, 100, 160, 300, 4096, 100_003]) {
    writeFileSync(join(top, `file-${size}`), randomBytes(size));
  }
  writeFileSync(join(top, "large"), randomBytes(5_000_000));
  makeSparse(join(top, "sparse"), unwritten);
  makeFragmented(top);
  mkdirSync(join(top, "empty"));
  mkdirSync(join(top, "a", "b", "c", "d"), { recursive: true });
  writeFileSync(join(top, "a", "b", "c", "d", "deep"), "deep");
  mkdirSync(join(top, "many"));
  for (let i = 0; i < many; i++)
    writeFileSync(join(top, "many", `entry-with-a-longer-name-${i}`), i % 50 === 0 ? "x" : "");
  makeLinks(top);
  makeSpecial(top);
  makeAttributes(top, attributeBytes);
  writeFileSync(join(top, "n".repeat(255)), "long name");
  writeFileSync(Buffer.from(join(top, "latin-\xe9"), "latin1"), "not UTF-8");
  mkdirSync(Buffer.from(join(top, "folder-\xff"), "latin1"));
  chownSync(join(top, "file-1"), 100_000, 3_000_000_000);
}

function makeSparse(path: string, unwritten: boolean): void {
  const fd = openSync(path, "w");
  for (const position of [0, 300_000, 5_000_000, 70_000_000]) writeSync(fd, `at ${position}`, position);
  if (unwritten) allocate(fd, 10_000_000, 500_000);
  ftruncateSync(fd, 90_000_001);
  closeSync(fd);
}

/** Two files written in turns, so that their blocks lie in many pieces. */
function makeFragmented(top: string): void {
  const files = ["fragments-1", "fragments-2"].map((name) => openSync(join(top, name), "w"));
  for (let i = 0; i < 700; i++) for (const fd of files) writeSync(fd, randomBytes(4096), 0, 4096, i * 8192);
  for (const fd of files) closeSync(fd);
}

function makeLinks(top: string): void {
  linkSync(join(top, "large"), join(top, "a", "hard-link"));
  symlinkSync("../file-1", join(top, "a", "short"));
  symlinkSync("x".repeat(59), join(top, "link-59"));
  symlinkSync("x".repeat(60), join(top, "link-60"));
  symlinkSync("/y".repeat(490), join(top, "link-980"));
  symlinkSync("/absolute", join(top, "absolute"));
}

function makeSpecial(top: string): void {
  makeNode(join(top, "null"), S_IFCHR | 0o666, 1, 3);
  makeNode(join(top, "disk"), S_IFBLK | 0o660, 259, 70_000);
  makeNode(join(top, "socket"), S_IFSOCK | 0o755);
  makeFifo(join(top, "pipe"), 0o600);
  for (const [name, seconds] of [
    ["old", -1000],
    ["new", 5_000_000_000],
  ] as const) {
    writeFileSync(join(top, name), "");
    utimesSync(join(top, name), seconds, seconds);
  }
  writeFileSync(join(top, "nanoseconds"), "");
  setTimes(join(top, "nanoseconds"), 1n, 1_600_000_000_123_456_789n);
}

function makeAttributes(top: string, largest: number): void {
  for (const name of ["file-100", "large", "empty", "a"]) setXattr(join(top, name), "user.short", Buffer.from("value"));
  setXattr(join(top, "file-100"), "user.empty", Buffer.alloc(0));
  setXattr(join(top, "file-100"), "trusted.long", Buffer.alloc(largest, "long"));
  setXattr(join(top, "large"), "security.other", Buffer.from([0, 1, 2, 255]));
  setXattr(join(top, "link-59"), "trusted.of-link", Buffer.from("link"));
  execFileSync("setcap", ["cap_net_raw+ep", join(top, "file-4096")]);
  execFileSync("setfacl", ["-m", "u:1234:rw,g:5678:r,m:rw", join(top, "file-61")]);
  execFileSync("setfacl", ["-d", "-m", "u:1234:rwx", join(top, "empty")]);
}
