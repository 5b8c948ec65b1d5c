import { type CountPage, entriesPerPage } from "./count-page.ts";
import { MetadataError } from "./metadata-error.ts";

/** Most pages of counts kept in memory when nothing in them is to be written: 16 MiB. */
const mostIdlePages = 1024;

/** Where pages of counts come from. */
export interface CountSource {
  /** Reads a page from the medium. */
  load(page: number, entries: number): CountPage;
  /** Whether a page not yet loaded may have free blocks, which saves loading it. */
  mayHaveFree(page: number): boolean;
}

function damage(what: string): MetadataError {
  return new MetadataError("EILSEQ", `${what}: the metadata is damaged. Run thin_check and thin_repair.`);
}

/**
 * The reference counts of all blocks of a device, in memory, a page a bitmap, loaded when first needed. Blocks freed in a
 * transaction are not given out again before it ends.
 */
export class ReferenceCounts {
  readonly #source: CountSource;
  readonly #pages: (CountPage | undefined)[] = [];
  #idle: number[] = [];
  /** Pages changed in this transaction. */
  readonly dirtyPages = new Set<number>();
  /** No page below this has a free block. */
  #firstPage = 0;
  #blocks: number;
  #allocated: number;
  #freed = 0;

  constructor(source: CountSource, blocks: number, allocated: number) {
    this.#source = source;
    this.#blocks = blocks;
    this.#allocated = allocated;
  }

  get blocks(): number {
    return this.#blocks;
  }

  /** Blocks whose count is not 0. */
  get allocated(): number {
    return this.#allocated;
  }

  /** Blocks that can be allocated before the transaction ends. */
  get usable(): number {
    return this.#blocks - this.#allocated - this.#freed;
  }

  get pages(): number {
    return Math.ceil(this.#blocks / entriesPerPage);
  }

  get(block: number): number {
    return this.page(this.#pageOf(block)).get(block % entriesPerPage);
  }

  /** Adds a reference and returns the new count. */
  increment(block: number): number {
    const page = this.#pageToChange(block);
    const freed = page.freed;
    const count = page.increment(block % entriesPerPage);
    if (count === 1) {
      this.#allocated++;
      this.#freed += page.freed - freed;
    }
    return count;
  }

  /** Drops a reference and returns the new count. @throws {MetadataError} if there is none to drop */
  decrement(block: number): number {
    const page = this.#pageToChange(block);
    if (page.get(block % entriesPerPage) === 0) {
      throw damage(`Cannot drop a reference to block ${block}: it has none`);
    }
    const count = page.decrement(block % entriesPerPage);
    if (count === 0) {
      this.#allocated--;
      this.#freed++;
    }
    return count;
  }

  /** Takes the lowest free block, its count then 1; -1 when none is usable. */
  allocate(): number {
    for (const pages = this.pages; this.#firstPage < pages; this.#firstPage++) {
      const number = this.#firstPage;
      if (this.#pages[number] === undefined && !this.#source.mayHaveFree(number)) continue;
      const entry = this.page(number).allocate();
      if (entry < 0) continue;
      this.dirtyPages.add(number);
      this.#allocated++;
      return number * entriesPerPage + entry;
    }
    return -1;
  }

  /** Grows to so many blocks, the new ones free. The source has to know the new pages by then. */
  extend(blocks: number): void {
    const last = this.pages - 1;
    this.#blocks = blocks;
    if (last >= 0 && this.#pages[last] !== undefined) this.#pages[last].entries = this.#entriesOf(last);
    this.#firstPage = Math.max(0, Math.min(this.#firstPage, last));
  }

  page(number: number): CountPage {
    const known = this.#pages[number];
    if (known !== undefined) return known;
    const page = this.#source.load(number, this.#entriesOf(number));
    this.#pages[number] = page;
    this.#idle.push(number);
    return page;
  }

  /** After a commit: the blocks freed can be taken again. */
  endTransaction(): void {
    for (const number of this.dirtyPages) {
      const page = this.page(number);
      if (page.freed > 0) this.#firstPage = Math.min(this.#firstPage, number);
      page.endTransaction();
    }
    this.dirtyPages.clear();
    this.#freed = 0;
    if (this.#idle.length > mostIdlePages) {
      for (const number of this.#idle.splice(0, mostIdlePages / 2)) this.#pages[number] = undefined;
    }
  }

  #entriesOf(page: number): number {
    return Math.min(entriesPerPage, this.#blocks - page * entriesPerPage);
  }

  #pageOf(block: number): number {
    if (block >= 0 && block < this.#blocks) return Math.floor(block / entriesPerPage);
    throw damage(`Cannot count references to block ${block}: there are only ${this.#blocks} blocks`);
  }

  #pageToChange(block: number): CountPage {
    const number = this.#pageOf(block);
    const page = this.page(number);
    if (!page.changed) this.dirtyPages.add(number);
    return page;
  }
}
