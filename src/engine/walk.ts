/** What one walk over everything carries along, and what it tells. */
import { LanyardError } from '../errors.ts'
import type { Context } from './context.ts'
import type { EndpointRecord, NetworkRecord } from './records.ts'
import type { Drift } from './types.ts'

/** What one walk gathers. */
export class Sweep {
  readonly context: Context
  readonly #mends: boolean
  readonly drifts: Drift[] = []
  readonly healed: Drift[] = []

  constructor(context: Context, mends: boolean) {
    this.context = context
    this.#mends = mends
  }

  /**
   * Something is not as it should be. With a way to mend it, it is mended now or said how it would
   * be; a failure to mend is a drift that says why.
   */
  async found(
    at: { readonly network: string; readonly endpoint?: string },
    what: string,
    mend?: { readonly how: string; readonly fix: () => Promise<unknown> },
  ): Promise<void> {
    const drift = { network: at.network, endpoint: at.endpoint, what, mend: mend?.how }
    if (!this.#mends || mend === undefined) {
      this.drifts.push(drift)
      return
    }
    try {
      await mend.fix()
      this.healed.push(drift)
      const { network, endpoint } = drift
      this.context.emit({ what: 'healed', network, endpoint, detail: `${what}: ${mend.how}` })
    } catch (error) {
      if (!(error instanceof Error)) throw error
      this.drifts.push({ ...drift, what: `${what}: ${error.message}`, mend: mendOf(error) })
    }
  }
}

function mendOf(error: Error): string | undefined {
  return error instanceof LanyardError ? error.mend : undefined
}

/** The records a walk goes by. */
export interface Desired {
  readonly networks: readonly NetworkRecord[]
  readonly endpoints: readonly EndpointRecord[]
}
