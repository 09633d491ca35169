/**
 * What an embedded store stands on: one ordered map from text to values, one writer at a time.
 * Memory and LMDB are two of them; embedded.ts makes a store of either.
 */

/** Only to be used in {@link Ordered.write}, before it returns. */
export interface Writer {
  put(key: string, value: unknown): void
  remove(key: string): void
}

export interface Ordered {
  /** What errors call it: the path of the file. */
  readonly name: string
  /** From here on reads see the newest state, the changes of other processes included. */
  refresh(): void
  /** Inside of {@link write}: with what was written so far. */
  get(key: string): unknown
  /** In key order, `from` included, `to` not. */
  range(from: string, to: string, limit: number): Iterable<readonly [key: string, value: unknown]>
  /**
   * Calls `work` while nobody else writes. Resolves when what it wrote is durable; when it rejects,
   * nothing was written, or (`store-unavailable`) nobody knows.
   */
  write<T>(work: (writer: Writer) => T): Promise<T>
  /** Calls `listener` when somebody else may have written; too often does no harm. */
  listen(listener: () => void): { close(): void }
  close(): Promise<void>
}
