import * as v from "valibot";
import { parseGrowthSize } from "../graph/growth/growth-size.ts";
import { parseSize } from "../graph/options/size.ts";

/** Longer than any name or path may be. */
const longest = 4096;

/** A text that is not empty. */
export const text = v.pipe(
  v.string("it has to be a text"),
  v.minLength(1, "it has to be something"),
  v.maxLength(longest, `it has to have at most ${longest} characters`),
);

/** An absolute path on the daemon's machine. */
export const path = v.pipe(text, v.startsWith("/", "it has to be an absolute path"));

/** A place on the daemon's machine: an absolute path, or a form before one, "oci:/srv/layout:2.0". */
export const place = v.pipe(
  text,
  v.regex(
    /^(?:(?:oci|oci-archive|docker-archive):)?\//,
    "it has to be an absolute path, or oci:, oci-archive: or docker-archive: before one",
  ),
);

/** A number of bytes, or a size as in "20G". */
export const size = v.union([bytes(), sizeText(parseSize)], 'it has to be a number of bytes or a size, such as "20G"');

/** A size to grow to or by: 21474836480, "20G", "+20G", "+20%". */
export const growthSize = v.union(
  [bytes(), sizeText(parseGrowthSize)],
  'it has to be a number of bytes or a size, such as "200G", "+20G" or "+20%"',
);

export const flag = v.boolean("it has to be true or false");

function bytes() {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(1));
}

function sizeText<T>(parse: (given: string) => T) {
  return v.pipe(
    text,
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        addIssue({ message: error instanceof Error ? error.message : String(error) });
        return NEVER;
      }
    }),
  );
}
