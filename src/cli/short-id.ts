/**
 * An ID as tables show it: of a digest twelve digits, without "sha256:"; commands take them for the whole, where they are unambiguous. What
 * follows a digest (Docker's `-init`), and names that are none, stay.
 */
export function shortId(id: string): string {
  return id.replace(/^(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}/, "$1");
}
