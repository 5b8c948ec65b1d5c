import { basename } from "node:path";

/** A program of its own that a command line calls, and what follows its name. */
export interface NamedCall {
  readonly name: string;
  readonly words: readonly string[];
}

/**
 * The program within mica that a command line calls: by mica's own name, which is that of a symbolic link, or as its first word.
 *
 * @param isName whether there is a program of that name
 */
export function calledBy(
  program: string,
  words: readonly string[],
  isName: (name: string) => boolean,
): NamedCall | undefined {
  const own = basename(program);
  if (isName(own)) return { name: own, words };
  const [first = "", ...rest] = words;
  return isName(first) ? { name: first, words: rest } : undefined;
}
