/** An extended attribute. */
export interface Xattr {
  name: string;
  value: Buffer;
}

/** Whether an attribute says something of the host that the file was on, and not of the file: SELinux's label, overlayfs's marks. */
export function belongsToHost(name: string): boolean {
  return name === "security.selinux" || name.startsWith("trusted.overlay.");
}
