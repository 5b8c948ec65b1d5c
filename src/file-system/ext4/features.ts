import { UnsupportedFileSystem } from "../file-system-error.ts";

/** s_feature_incompat: what a reader must know. (Documentation/filesystems/ext4/super.rst) */
export const incompat = {
  compression: 0x1,
  fileType: 0x2,
  recover: 0x4,
  journalDevice: 0x8,
  metaGroups: 0x10,
  extents: 0x40,
  bits64: 0x80,
  multiMountProtection: 0x100,
  flexGroups: 0x200,
  attributeInodes: 0x400,
  directoryData: 0x1000,
  checksumSeed: 0x2000,
  largeDirectories: 0x4000,
  inlineData: 0x8000,
  encrypt: 0x10000,
  caseFold: 0x20000,
} as const;

/** s_feature_ro_compat, as far as a reader cares. */
export const readOnlyCompat = { sparseSuperblocks: 0x1, hugeFiles: 0x8, bigAllocation: 0x200 } as const;

/** s_feature_compat, likewise. */
export const compat = { sparseSuperblocks2: 0x200 } as const;

const refused: [number, string][] = [
  [incompat.compression, "compression"],
  [incompat.journalDevice, "journal_dev (it is the external journal of another file system)"],
  [incompat.directoryData, "dirdata"],
  [incompat.encrypt, "encrypt"],
];

const known = Object.values(incompat).reduce((all, bit) => all | bit, 0);

/** @throws UnsupportedFileSystem naming what cannot be read */
export function refuseUnreadable(incompatFeatures: number): void {
  const names = refused.filter(([bit]) => (incompatFeatures & bit) !== 0).map(([, name]) => name);
  const unknown = (incompatFeatures & ~known) >>> 0;
  if (unknown !== 0) names.push(`unknown features 0x${unknown.toString(16)}`);
  if (names.length === 0) return;
  throw new UnsupportedFileSystem(
    `Cannot read the ext4 file system: it has a feature that is not supported here: ${names.join(", ")}. ` +
      "Mount it with a kernel that has it.",
  );
}
