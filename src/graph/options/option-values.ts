import { GraphError } from "../graph-error.ts";
import { parseSize } from "./size.ts";

/** Readers of option values. Each takes the option's name for its error, GraphError EINVAL. */
export const optionValues = {
  size: (key: string, value: string): number => {
    const bytes = parseSize(value, key);
    if (bytes === 0) throw invalid(key, value, "it has to be more than nothing");
    return bytes;
  },

  boolean: (key: string, value: string): boolean => {
    if (["1", "t", "true"].includes(value.toLowerCase())) return true;
    if (["0", "f", "false"].includes(value.toLowerCase())) return false;
    throw invalid(key, value, "it has to be true or false");
  },

  integer: ({ least, most }: { least: number; most: number }): ((key: string, value: string) => number) => {
    return (key, value) => {
      const number = Number(value);
      if (/^-?\d+$/.test(value) && number >= least && number <= most) return number;
      throw invalid(key, value, `it has to be a whole number from ${least} to ${most}`);
    };
  },

  /** A share such as `10%`, below 100. */
  percentage: (key: string, value: string): number => {
    const match = /^(\d+(?:\.\d+)?)%$/.exec(value);
    if (match === null) throw invalid(key, value, "it has to be a percentage with its sign, such as 10%");
    const number = Number(match[1]);
    if (number >= 100) throw invalid(key, value, "it has to be below 100%");
    return number;
  },

  oneOf: <T extends string>(key: string, value: string, allowed: readonly T[]): T => {
    const found = allowed.find((item) => item === value);
    if (found === undefined) throw invalid(key, value, `it has to be ${allowed.join(" or ")}`);
    return found;
  },

  text: (key: string, value: string): string => {
    if (value === "") throw invalid(key, value, "a value is missing");
    return value;
  },
};

/** The error for a value that cannot be used. */
export function invalid(key: string, value: string, why: string): GraphError {
  return new GraphError("EINVAL", `Cannot use ${key}=${value}: ${why}`);
}
