import fc from "fast-check";
import { hostileBytes } from "./hostile-bytes.ts";

/** Values that are seldom meant where they stand. */
const hostileValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    ".",
    "..",
    "../../etc",
    "/",
    "/etc/passwd",
    "a\0b",
    "-",
    -1,
    0.5,
    1e308,
    2 ** 53,
    [],
    {},
  ),
  fc.constantFrom("x".repeat(256), "é".repeat(5000), "9".repeat(400), '"', "%s%n", "${x}", "\ud800"),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: "binary", maxLength: 40 }),
);

interface Edit {
  kind: "replace" | "remove" | "add" | "wrap";
  which: number;
  key: string;
  value: unknown;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("replace", "replace", "remove", "add", "wrap"),
  which: fc.nat(1000),
  key: fc.oneof(
    fc.constantFrom("__proto__", "constructor", "toString", "ID", "id", "Parent", "labels"),
    fc.string({ maxLength: 8 }),
  ),
  value: hostileValue,
});

/** A value as it is, or with some of its parts replaced, removed, added or put into lists. */
export function hostileValues(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(valid, fc.array(edit, { maxLength: 3 })).map(([value, edits]) => edits.reduce(apply, value));
}

/** JSON texts of such values; some of them damaged, some nested deeper than a parser likes. */
export function hostileJson(valid: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const text = hostileValues(valid).map((value) => Buffer.from(JSON.stringify(value)));
  const nested = fc
    .tuple(fc.constantFrom("[", '{"a":', "[[{}],"), fc.nat(50_000))
    .map(([piece, times]) => Buffer.from(piece.repeat(times)));
  return fc.oneof(
    { weight: 12, arbitrary: text },
    { weight: 3, arbitrary: hostileBytes(text) },
    { weight: 1, arbitrary: nested },
  );
}

function apply(value: unknown, { kind, which, key, value: given }: Edit): unknown {
  const copy = structuredClone(value);
  const places = placesIn(copy);
  if (places.length === 0) return given;
  const [holder, name] = places[which % places.length];
  if (kind === "replace") holder[name] = given;
  if (kind === "wrap") holder[name] = [holder[name]];
  if (kind === "remove") Reflect.deleteProperty(holder, name);
  if (kind === "add")
    Object.defineProperty(holder, key, { value: given, enumerable: true, configurable: true, writable: true });
  return copy;
}

type Holder = Record<string, unknown>;

function placesIn(value: unknown): [Holder, string][] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [[holder, key] as [Holder, string], ...placesIn(holder[key])]);
}
