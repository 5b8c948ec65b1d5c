import { FileSystemDamage } from "../file-system-error.ts";

const storedVersion = 1;
const shownVersion = 2;
const headerBytes = 4;
const shownEntryBytes = 8;
/** Tags (acl(5)) of entries for a named user or group: only these have an id on disk. */
const namedTags: ReadonlySet<number> = new Set([0x02, 0x08]);
const allTags: ReadonlySet<number> = new Set([0x01, 0x02, 0x04, 0x08, 0x10, 0x20]);
const noId = 0xffffffff;

/**
 * Turns an ACL as ext4 stores it (version 1, short entries without an id) into the form that system.posix_acl_access has
 * towards programs (version 2; linux/posix_acl_xattr.h).
 */
export function posixAcl(stored: Buffer, where: string): Buffer {
  if (stored.length < headerBytes || stored.readUInt32LE(0) !== storedVersion) {
    throw new FileSystemDamage(where, "its ACL is of no known version");
  }
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(shownVersion, 0);
  const parts = [header];
  for (let at = headerBytes; at < stored.length;) {
    const tag = at + 4 <= stored.length ? stored.readUInt16LE(at) : 0;
    const length = namedTags.has(tag) ? 8 : 4;
    if (!allTags.has(tag) || at + length > stored.length) {
      throw new FileSystemDamage(where, `its ACL has an entry with tag ${tag} at byte ${at}`);
    }
    const entry = Buffer.alloc(shownEntryBytes);
    stored.copy(entry, 0, at, at + 4);
    entry.writeUInt32LE(length === 8 ? stored.readUInt32LE(at + 4) : noId, 4);
    parts.push(entry);
    at += length;
  }
  return Buffer.concat(parts);
}
