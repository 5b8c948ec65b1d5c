/** A help text, which begins small and has no full stop, as a sentence; what begins with a name stays as it is. */
export function asSentence(text: string): string {
  if (text === "") return "";
  const begun =
    /^[a-z]+(?=[ ,;:']|\.?$)/.test(text) && !/^(?:mica|containerd)\b/.test(text)
      ? text[0].toUpperCase() + text.slice(1)
      : text;
  return /[.!?]$/.test(text) ? begun : `${begun}.`;
}
