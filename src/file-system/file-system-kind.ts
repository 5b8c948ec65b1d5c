import type { BlockSource } from "./block-source.ts";

const extMagicAt = 1024 + 0x38;
const extMagic = 0xef53;

/** Which file system a device holds, undefined for none that is known here. ext4 stands for ext2 and ext3 too. */
export function fileSystemKind(source: BlockSource): "ext4" | "xfs" | undefined {
  if (source.sizeBytes < 4096) return undefined;
  const head = Buffer.alloc(4096);
  source.read(head, 0, head.length, 0);
  if (head.toString("latin1", 0, 4) === "XFSB") return "xfs";
  return head.readUInt16LE(extMagicAt) === extMagic ? "ext4" : undefined;
}
