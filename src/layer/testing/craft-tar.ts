import { formatTarHeader, TAR_END, tarPadding, type TarHeaderFields } from "../format-tar-header.ts";

/** An entry of a tar made for a test; what is not given has a harmless value. */
export type CraftedEntry = Partial<TarHeaderFields> & { name: string; content?: string | Buffer };

/** A tar of exactly these entries, however odd: no writer of archives would make most of them. */
export function craftTar(entries: CraftedEntry[], end: Buffer = TAR_END): Buffer {
  return Buffer.concat([...entries.flatMap(craftEntry), end]);
}

function craftEntry({ content = "", ...fields }: CraftedEntry): Buffer[] {
  const bytes = Buffer.from(content);
  const header = formatTarHeader({
    type: "0",
    mode: fields.type === "5" ? 0o755 : 0o644,
    sizeBytes: bytes.length,
    mtimeNs: 1_600_000_000_000_000_000n,
    ...fields,
  });
  return [header, bytes, Buffer.alloc(tarPadding(bytes.length))];
}
