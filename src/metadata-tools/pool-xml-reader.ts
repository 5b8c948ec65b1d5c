import { SaxesParser, type SaxesTagPlain } from "saxes";
import { ThinError } from "../thin/errors.ts";
import type { PoolDescription, PoolSink } from "./dump.ts";
import { longestMapping, MappingScanner } from "./mapping-scanner.ts";
import { SharedMappings } from "./shared-mappings.ts";

const lessThan = 0x3c;
const exclamation = 0x21;
const question = 0x3f;
const space = 0x20;

/** Longer, an element is none of ours. */
const longestElement = 1 << 16;

/** Version of the format where the XML does not tell it: so old a dump is of the first. */
const firstVersion = 1;

/**
 * Reads a pool from a dump in XML, piece by piece, as `thin_dump` of versions 0.1 to 1.x writes it, and tells it to a sink.
 *
 * @param overrides in place of what the XML says of the pool
 * @throws ThinError EINVAL when it is no such dump
 */
export class PoolXmlReader {
  readonly #sink: PoolSink;
  readonly #overrides: Partial<PoolDescription>;
  readonly #parser = new SaxesParser({});
  readonly #scanner: MappingScanner;
  readonly #shared: SharedMappings;
  /** Bytes that do not make a whole element yet. */
  #rest = new Uint8Array(0);
  /** Whether mappings can be told from anything else: not within comments and the like. */
  #plain = true;
  #ended = false;

  constructor(sink: PoolSink, overrides: Partial<PoolDescription> = {}) {
    this.#overrides = overrides;
    this.#sink = sink;
    this.#shared = new SharedMappings(sink);
    this.#scanner = new MappingScanner(this.#shared);
    this.#parser.on("error", (error) => {
      throw invalid(error.message);
    });
    this.#parser.on("opentag", (tag) => this.#open(tag));
    this.#parser.on("closetag", ({ name }) => this.#close(name));
  }

  /** Reads on. The bytes are not kept. */
  write(piece: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const done = this.#scan(bytes, bytes.length - longestMapping);
    // A copy: a slice of a Buffer would be none.
    this.#rest = new Uint8Array(bytes.subarray(done));
    if (this.#rest.length > longestElement) throw invalid("there is an element without an end");
  }

  /** To be called after the last piece. */
  end(): void {
    const rest = this.#rest;
    const padded = new Uint8Array(rest.length + longestMapping);
    padded.set(rest);
    this.#scan(padded, rest.length);
    this.#parser.close();
    if (!this.#ended) throw invalid("it has no superblock");
    // Not before: what follows may be no XML.
    this.#sink.endPool();
  }

  /** Reads elements that begin before `end`, and returns where the first lies that was not read. */
  #scan(bytes: Uint8Array, end: number): number {
    let at = 0;
    while (at < end) {
      if (this.#plain && bytes[at] === lessThan) {
        const next = this.#scanner.read(bytes, at);
        if (next >= 0) {
          at = next;
          while (at < end && bytes[at] <= space) at++;
          continue;
        }
      }
      let next = bytes.indexOf(lessThan, at + 1);
      if (next < 0 || next > end) next = end;
      this.#parse(bytes, at, next);
      at = next;
    }
    return Math.max(at, 0);
  }

  /** Gives text to the parser: from the beginning of an element to the next. */
  #parse(bytes: Uint8Array, at: number, end: number): void {
    const second = bytes[at + 1];
    if (bytes[at] === lessThan && (second === exclamation || second === question)) this.#plain = false;
    this.#parser.write(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("latin1"));
  }

  #open({ name, attributes }: SaxesTagPlain): void {
    const attribute = (key: string, fallback?: number): number => numberOf(name, key, attributes[key], fallback);
    switch (name) {
      case "superblock":
        this.#sink.beginPool({
          time: attribute("time"),
          transactionId: attribute("transaction"),
          flags: attribute("flags", 0),
          version: attribute("version", firstVersion),
          dataBlockSize: attribute("data_block_size"),
          dataBlocks: attribute("nr_data_blocks"),
          ...this.#overrides,
        });
        return;
      case "device":
        this.#sink.beginDevice({
          id: attribute("dev_id"),
          mappedBlocks: attribute("mapped_blocks"),
          transactionId: attribute("transaction"),
          creationTime: attribute("creation_time"),
          snapshottedTime: attribute("snap_time"),
        });
        return;
      case "single_mapping":
        this.#shared.map(attribute("origin_block"), attribute("data_block"), attribute("time"), 1);
        return;
      case "range_mapping":
        this.#shared.map(attribute("origin_begin"), attribute("data_begin"), attribute("time"), attribute("length"));
        return;
      case "def":
        this.#shared.define(attributes.name);
        return;
      case "ref":
        this.#shared.refer(attributes.name);
        return;
      default:
        throw invalid(`it has an element <${name}>, which no dump has`);
    }
  }

  #close(name: string): void {
    if (name === "device") this.#sink.endDevice();
    else if (name === "def") this.#shared.endDefinition();
    else if (name === "superblock") this.#ended = true;
  }
}

function numberOf(element: string, key: string, text: string | undefined, fallback?: number): number {
  if (text === undefined && fallback !== undefined) return fallback;
  const value = text !== undefined && /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw invalid(
    text === undefined
      ? `<${element}> has no ${key}`
      : `<${element}> has ${key}="${text}", which is no number that can be`,
  );
}

function invalid(why: string): ThinError {
  return new ThinError("EINVAL", `Cannot restore from this XML: ${why}`);
}
