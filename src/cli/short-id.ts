/** An ID as tables show it: twelve digits, without "sha256:". Commands take it for the whole, where it is unambiguous. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
