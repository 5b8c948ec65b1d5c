/** What a metadata block holds. */
export type BlockKindName = "superblock" | "btree node" | "bitmap" | "index";

/**
 * Damaged, full or unreadable metadata.
 *
 * `code` is EILSEQ (damage), EROFS (opened read-only) or the system's code of a failed
 * read or write; `block` and `kind` name the metadata block concerned, where there is one.
 */
export class MetadataError extends Error {
  override readonly name: string = "MetadataError";
  readonly code: string;
  readonly block: number | undefined;
  readonly kind: BlockKindName | undefined;

  constructor(code: string, message: string, where: { block?: number; kind?: BlockKindName; cause?: unknown } = {}) {
    super(message, { cause: where.cause });
    this.code = code;
    this.block = where.block;
    this.kind = where.kind;
  }
}

/** No metadata block is free for a change, which is then half done: only an abort leads on. Its code is ENOSPC. */
export class MetadataFullError extends MetadataError {
  override readonly name = "MetadataFullError";

  constructor(message: string) {
    super("ENOSPC", message);
  }
}
