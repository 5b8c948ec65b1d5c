/** Runs functions one at a time per key, in the order they came; those of different keys side by side. */
export class KeyedQueue<K = number> {
  readonly #tails = new Map<K, Promise<unknown>>();

  /** Whether something of that key runs or waits. */
  isBusy(key: K): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: K, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before === undefined ? task() : before.then(task, task);
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(key, settled);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === settled) this.#tails.delete(key);
    }
  }
}
