/** A message without what would steer a terminal: it may tell of names and answers from anywhere. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, "?");
}
