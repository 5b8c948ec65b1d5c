/** An option as C's getopt_long takes it. */
export interface GetoptOption {
  /** Without the dashes; the name under which it is found. */
  readonly long: string;
  /** A single letter; or several, each of which is the option. */
  readonly short?: string;
  /** Default `none`. An optional one is given as `--name=VALUE` or `-nVALUE` only. */
  readonly argument?: "none" | "required" | "optional";
}

/** A command line, taken apart. */
export interface ParsedLine {
  /** What was given for each option, by its long name, in order; undefined where nothing was. */
  readonly options: ReadonlyMap<string, readonly (string | undefined)[]>;
  readonly operands: readonly string[];
}

/** The line cannot be taken apart. */
export class GetoptError extends Error {
  override readonly name = "GetoptError";
}

/**
 * Takes a command line apart as getopt_long(3) of glibc does: options stand anywhere before `--`, long ones may be cut short, short ones joined.
 *
 * @throws GetoptError in glibc's words
 */
export function getopt(words: readonly string[], known: readonly GetoptOption[]): ParsedLine {
  const options = new Map<string, (string | undefined)[]>();
  const operands: string[] = [];
  const note = ({ long }: GetoptOption, value: string | undefined): void => {
    options.set(long, [...(options.get(long) ?? []), value]);
  };
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      operands.push(...rest);
      break;
    }
    if (word.startsWith("--")) takeLong(word, rest, known, note);
    else if (word.startsWith("-") && word.length > 1) takeShort(word, rest, known, note);
    else operands.push(word);
  }
  return { options, operands };
}

type Note = (option: GetoptOption, value: string | undefined) => void;

function takeLong(word: string, rest: string[], known: readonly GetoptOption[], note: Note): void {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const given = equals < 0 ? undefined : word.slice(equals + 1);
  const option = longOption(name, known);
  if (option.argument === "required") {
    const value = given ?? rest.shift();
    if (value === undefined) throw new GetoptError(`option '--${option.long}' requires an argument`);
    note(option, value);
  } else if (given !== undefined && option.argument !== "optional") {
    throw new GetoptError(`option '--${option.long}' doesn't allow an argument`);
  } else note(option, given);
}

function longOption(name: string, known: readonly GetoptOption[]): GetoptOption {
  const exact = known.find(({ long }) => long === name);
  if (exact !== undefined) return exact;
  const possible = known.filter(({ long }) => long.startsWith(name));
  if (possible.length === 1) return possible[0];
  if (possible.length === 0) throw new GetoptError(`unrecognized option '--${name}'`);
  const names = possible.map(({ long }) => `'--${long}'`).join(" ");
  throw new GetoptError(`option '--${name}' is ambiguous; possibilities: ${names}`);
}

function takeShort(word: string, rest: string[], known: readonly GetoptOption[], note: Note): void {
  for (let at = 1; at < word.length; at++) {
    const option = known.find(({ short }) => short?.includes(word[at]));
    if (option === undefined) throw new GetoptError(`invalid option -- '${word[at]}'`);
    if (option.argument !== "required" && option.argument !== "optional") {
      note(option, undefined);
      continue;
    }
    const joined = word.slice(at + 1);
    const value = joined !== "" ? joined : option.argument === "required" ? rest.shift() : undefined;
    if (value === undefined && option.argument === "required") {
      throw new GetoptError(`option requires an argument -- '${word[at]}'`);
    }
    note(option, value);
    return;
  }
}
