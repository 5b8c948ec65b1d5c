import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { craftTar, type CraftedEntry } from "../../src/layer/testing/craft-tar.ts";
import { hostileBytes } from "./hostile-bytes.ts";

/** Bytes as texts of one character a byte, as names in tars are written. */
const rawText = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));

/** @param outside a folder that no layer may touch */
function names(outside: string): fc.Arbitrary<string> {
  const plain = ["a", "a/b", "a/b/c", "d/", "d/e", "./", ".", "link", "link/x", "d/../a", "a//b", "rootfs", "rootfs/a"];
  const whiteouts = [
    ".wh.a",
    "a/.wh.b",
    "d/.wh..wh..opq",
    ".wh..wh..opq",
    ".wh.",
    ".wh..",
    ".wh...",
    ".wh..wh.plnk",
    "link/.wh.x",
  ];
  const away = [
    "..",
    "../x",
    "../../canary",
    "d/../../x",
    "/",
    "/etc/passwd",
    `${outside}/canary`,
    `${outside}/new`,
    "\0",
    "a\0../x",
    "",
  ];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...plain) },
    { weight: 2, arbitrary: fc.constantFrom(...whiteouts) },
    { weight: 2, arbitrary: fc.constantFrom(...away) },
    { weight: 1, arbitrary: rawText(30) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom("n", "n/", "../", "é"), fc.nat(100_000))
        .map(([piece, length]) => piece.repeat(length / piece.length)),
    },
  );
}

const numbersAsText = fc.oneof(
  fc.constantFrom(
    "0",
    "-1",
    "1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e9",
    "1.5",
    "",
    "x",
    "-9999999999.999999999",
  ),
  fc.integer().map(String),
);

/** Keys that libarchive, GNU tar and star give a meaning, with values that fit and values that do not. */
function paxRecords(outside: string): fc.Arbitrary<[string, Uint8Array][]> {
  const text = (key: string, value: fc.Arbitrary<string>): fc.Arbitrary<[string, Uint8Array]> =>
    value.map((written) => [key, Buffer.from(written, "latin1")]);
  const numeric = [
    "size",
    "uid",
    "gid",
    "mtime",
    "atime",
    "SCHILY.devmajor",
    "SCHILY.ino",
    "SCHILY.nlink",
    "GNU.sparse.size",
    "GNU.sparse.realsize",
    "GNU.sparse.numblocks",
    "GNU.sparse.major",
    "GNU.sparse.minor",
  ];
  const record = fc.oneof(
    fc.constantFrom(...numeric).chain((key) => text(key, numbersAsText)),
    fc.constantFrom("path", "linkpath", "GNU.sparse.name").chain((key) => text(key, names(outside))),
    fc
      .constantFrom(
        "SCHILY.xattr.user.a",
        "SCHILY.xattr.security.capability",
        "SCHILY.xattr.trusted.overlay.opaque",
        "SCHILY.xattr.system.posix_acl_access",
        "LIBARCHIVE.xattr.user.b",
        "SCHILY.acl.access",
        "SCHILY.acl.default",
        "SCHILY.fflags",
        "hdrcharset",
        "GNU.sparse.map",
      )
      .chain((key) => text(key, rawText(80))),
    text(
      "GNU.sparse.map",
      fc.array(fc.integer({ min: -2, max: 100_000 })).map((numbers) => numbers.join(",")),
    ),
    text("hdrcharset", fc.constantFrom("BINARY", "ISO-IR 10646 2000 UTF-8", "x")),
    fc.tuple(rawText(20), rawText(20)).map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value, "latin1")]),
  );
  return fc.array(record, { maxLength: 4 });
}

function entry(outside: string): fc.Arbitrary<CraftedEntry> {
  return fc.record(
    {
      name: names(outside),
      type: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom("0", "0", "1", "2", "3", "4", "5", "6", "7") },
        { weight: 2, arbitrary: fc.constantFrom("x", "g", "L", "K", "S", "D", "M", "V", "N", "A", "\0") },
      ),
      mode: fc.nat(0o7777),
      uid: fc.constantFrom(0, 1000, 0xffffffff, 2 ** 40),
      linkName: fc.oneof(names(outside), fc.constantFrom(outside, `${outside}/canary`, "/proc/self/root", "/dev/null")),
      device: fc.record({ major: fc.nat(4096), minor: fc.nat(1 << 20) }),
      mtimeNs: fc.bigInt(-(2n ** 70n), 2n ** 70n),
      pax: paxRecords(outside),
      content: fc.oneof(
        fc.constant(""),
        fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      ),
    },
    { requiredKeys: ["name"] },
  );
}

const compressors: Record<string, (tar: Buffer) => Buffer> = {
  none: (tar) => tar,
  gzip: (tar) => gzipSync(tar),
  xz: (tar) => through("xz", tar),
  zstd: (tar) => through("zstd", tar),
  bzip2: (tar) => through("bzip2", tar),
};

/**
 * Layers: tars of a few entries, sound in their form for the most part, with names, links, sizes and records that break programs; damaged or not,
 * compressed or not, and damaged again.
 *
 * @param outside a folder that no layer may touch
 */
export function hostileTars(outside: string): fc.Arbitrary<Buffer> {
  const tar = hostileBytes(fc.array(entry(outside), { maxLength: 8 }).map((entries) => craftTar(entries)));
  const compressed = fc
    .tuple(fc.constantFrom("none", "none", "none", "gzip", "xz", "zstd", "bzip2"), tar)
    .map(([name, bytes]) => compressors[name](bytes));
  return fc.oneof({ weight: 2, arbitrary: compressed }, { weight: 1, arbitrary: hostileBytes(compressed) });
}

function through(program: string, input: Buffer): Buffer {
  return spawnSync(program, ["-1", "-c"], { input, maxBuffer: 1 << 26 }).stdout;
}
