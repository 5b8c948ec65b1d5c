/** A file system's structures contradict themselves. The message names the inode or block. Its code is the kernel's EUCLEAN. */
export class FileSystemDamage extends Error {
  override readonly name = "FileSystemDamage";
  readonly code = "EUCLEAN";

  /**
   * @param where what is damaged, such as "inode 12"
   * @param fault what is wrong with it
   */
  constructor(where: string, fault: string) {
    super(
      `Cannot read the file system: ${where}: ${fault}. It is damaged; what else can be saved, a check of a copy of the ` +
        "device may tell (e2fsck).",
    );
  }
}

/** A file system of a kind, or with a feature, that is not read here. */
export class UnsupportedFileSystem extends Error {
  override readonly name = "UnsupportedFileSystem";
  readonly code = "EOPNOTSUPP";
}
