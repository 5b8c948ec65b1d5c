import { GraphError } from "../graph-error.ts";
import { parseSize } from "../options/size.ts";

/** How large something is to become, in bytes; or what is to be added to the size it has. */
export type GrowthSize = number | { addBytes: number } | { addPercent: number };

/**
 * Reads a size to grow to: absolute, such as `200G`, or relative to the present one, `+20G` or `+20%`.
 *
 * @throws GraphError EINVAL
 */
export function parseGrowthSize(text: string): GrowthSize {
  if (!text.startsWith("+")) return requireSomething(text, parseSize(text));
  const percent = /^\+(\d{1,6}(?:\.\d+)?)%$/.exec(text);
  if (percent !== null) return { addPercent: requireSomething(text, Number(percent[1])) };
  return { addBytes: requireSomething(text, parseSize(text.slice(1))) };
}

function requireSomething(text: string, value: number): number {
  if (value > 0) return value;
  throw new GraphError("EINVAL", `Cannot grow by or to '${text}': it has to be more than nothing`);
}

/** The size in bytes after growing from `nowBytes`; whole bytes, not rounded to blocks. */
export function sizeAfter(nowBytes: number, size: GrowthSize): number {
  if (typeof size === "number") return size;
  return nowBytes + ("addBytes" in size ? size.addBytes : Math.ceil((nowBytes * size.addPercent) / 100));
}
