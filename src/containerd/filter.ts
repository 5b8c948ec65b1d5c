import { RE2JS } from "re2js";
import { goText } from "./go-text.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";
import { SnapshotterError } from "./snapshotter-error.ts";

/** Whether a snapshot is asked for. */
export type SnapshotFilter = (record: SnapshotRecord) => boolean;

const field = /\w+/y;
const operator = /[=!~]+/y;
const plainValue = /[^\s,]+/y;
/** With their escapes: the quotes that may stand anywhere, and those for regular expressions. */
const quoted = /"(?:[^"\\\n]|\\.)*"/y;
const quotedPattern = /([/|])(?:(?!\1)[^\\\n]|\\.)*\1/y;
const space = /\s*/y;

/**
 * Reads filters as containerd's clients write them (its package filters): `FIELD`, `FIELD==VALUE`, `FIELD!=VALUE` or `FIELD~=PATTERN`, several of
 * which, with commas between, must all hold. Fields are name, parent, kind and labels.KEY; any others match nothing. Patterns are Go's, and
 * take linear time.
 *
 * @param filters of which one must hold; none: everything is asked for
 * @throws SnapshotterError invalid-argument, with the place of the mistake
 */
export function parseFilters(filters: readonly string[]): SnapshotFilter {
  const alternatives = filters.map((text) => new FilterParser(text).parse());
  return (record) => alternatives.length === 0 || alternatives.some((filter) => filter(record));
}

class FilterParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): SnapshotFilter {
    if (this.#text === "") return () => true;
    const conditions = [this.#condition()];
    while (!this.#atEnd()) {
      if (this.#next(",") === undefined) throw this.#mistake("expected a comma");
      conditions.push(this.#condition());
    }
    return (record) => conditions.every((condition) => condition(record));
  }

  #condition(): SnapshotFilter {
    const path = this.#path();
    if (this.#atEnd() || this.#text[this.#at] === ",") return (record) => fieldOf(record, path) !== undefined;
    const begin = this.#at;
    const found = this.#match(operator);
    if (found === "==") {
      const value = this.#value();
      return (record) => fieldOf(record, path) === value;
    }
    if (found === "!=") {
      const value = this.#value();
      return (record) => (fieldOf(record, path) ?? "") !== value;
    }
    if (found !== "~=") {
      this.#at = begin;
      throw this.#mistake("expected ==, != or ~=");
    }
    const pattern = this.#pattern();
    return (record) => pattern.test(fieldOf(record, path) ?? "");
  }

  #path(): string[] {
    const path = [this.#name()];
    while (this.#next(".") !== undefined) path.push(this.#name());
    return path;
  }

  #name(): string {
    const name = this.#quoted(quoted) ?? this.#match(field);
    if (name === undefined) throw this.#mistake("expected a field's name, or one in quotes");
    return name;
  }

  #value(): string {
    const value = this.#quoted(quoted) ?? (/["/|]/.test(this.#peek()) ? undefined : this.#match(plainValue));
    if (value === undefined) throw this.#mistake("expected a value, or one in double quotes");
    return value;
  }

  #pattern(): RE2JS {
    const begin = this.#at;
    const pattern = this.#quoted(quotedPattern) ?? this.#value();
    try {
      return RE2JS.compile(pattern);
    } catch (error) {
      this.#at = begin;
      throw this.#mistake(`not a regular expression: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #quoted(kind: RegExp): string | undefined {
    const begin = this.#at;
    const literal = this.#match(kind);
    if (literal === undefined) return undefined;
    const text = goText(literal.slice(1, -1));
    if (text !== undefined) return text;
    this.#at = begin;
    throw this.#mistake("an escape in the quotes is none of Go's");
  }

  #next(character: string): string | undefined {
    if (this.#peek() !== character) return undefined;
    this.#at++;
    return character;
  }

  /** The next character that is no space; "" at the end. */
  #peek(): string {
    this.#skip();
    return this.#text[this.#at] ?? "";
  }

  #atEnd(): boolean {
    return this.#peek() === "";
  }

  #match(kind: RegExp): string | undefined {
    this.#skip();
    kind.lastIndex = this.#at;
    const found = kind.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skip(): void {
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)?.[0].length ?? 0;
  }

  #mistake(what: string): SnapshotterError {
    const place = this.#at < this.#text.length ? `at '${this.#text.slice(this.#at, this.#at + 20)}'` : "at its end";
    return new SnapshotterError("invalid-argument", `Cannot read filter '${this.#text}': ${place}, ${what}`);
  }
}

function fieldOf(record: SnapshotRecord, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "name":
      return record.key;
    case "parent":
      return record.parent;
    case "kind":
      return record.kind;
    case "labels": {
      const key = path.slice(1).join(".");
      return Object.hasOwn(record.labels, key) ? record.labels[key] : undefined;
    }
    default:
      return undefined;
  }
}
