/** Characters that names and uuids may have as they are (dmsetup(8), --manglename); what else there is becomes \xNN. */
const plain = /^[0-9A-Za-z#+\-.:=@_]$/;
const longestName = 127;

/** How names are written where the device mapper sees them. */
export type Mangling = "auto" | "hex" | "none";

/** A name as the device mapper is given it. In mode `auto` one that is mangled already stays as it is. */
export function mangle(text: string, mode: Mangling): string {
  if (mode === "none" || (mode === "auto" && /\\x[0-9a-f]{2}/i.test(text))) return text;
  let mangled = "";
  for (const byte of Buffer.from(text)) {
    const character = String.fromCharCode(byte);
    mangled += plain.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return mangled;
}

/** The inverse of `mangle`, for output. */
export function unmangle(text: string, mode: Mangling): string {
  if (mode === "none" || !text.includes("\\x")) return text;
  const bytes = text.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Why a device cannot be called so, in libdevmapper's words; undefined where it can. */
export function nameFault(name: string): string | undefined {
  if (name.includes("/")) return `Name "${name}" invalid. It contains "/".`;
  if (Buffer.byteLength(name) > longestName) return `Name "${name}" too long.`;
  return undefined;
}
