/** The way back of work that failed half-way: every step is tried, every failure is told. */

export class UndoStack {
  readonly #steps: (() => Promise<unknown>)[] = []

  /** Remembers how to take back what is done next; before it is done, as it may stop half-way. */
  push(back: () => Promise<unknown>): void {
    this.#steps.push(back)
  }

  /**
   * Runs every step, last first.
   *
   * @returns the error to throw: the cause itself, or all of them when steps failed, too
   */
  async run(cause: unknown): Promise<unknown> {
    const failures: unknown[] = []
    for (const step of this.#steps.toReversed()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    this.#steps.length = 0
    if (failures.length === 0) return cause
    const message = cause instanceof Error ? cause.message : String(cause)
    return new AggregateError([cause, ...failures], `${message}; and taking it back failed`)
  }
}
