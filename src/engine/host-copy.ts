/**
 * What this host would say again to a store that lost it (emptied, or put back from an old copy):
 * its networks, where they hang, its endpoints; and what went while the store could not be asked.
 * The kernel has the links; this has the words for them.
 *
 * The file is written a moment after each change and at the end. A crash in that moment costs
 * nothing while the store is there.
 */
import { isDeepStrictEqual } from 'node:util'
import { entriesUnder } from '../ipam/ipam.ts'
import type { Clock } from '../fabric/clock.ts'
import type { Store } from '../store/store.ts'
import { NETWORKS, parentKey } from './records.ts'
import { markKey } from './self.ts'

/** A small file of this host: whole text in, whole text out. */
export interface CopyFile {
  read(): string | undefined
  /** Durable when it returns. */
  write(text: string): void
}

/** An endpoint that went while the store could not be asked. */
interface Release {
  readonly network: string
  readonly name: string
}

interface Kept {
  /** Keys and values as the store had them. */
  readonly entries: Readonly<Record<string, string>>
  readonly releases: readonly Release[]
  /** The store's revision then: one with a lower revision is older than this copy. */
  readonly revision?: number
  /** Revision of this host's mark, which nobody else writes: it cannot be an older one. */
  readonly mark?: number
}

/** What is copied from, and who does it later. */
interface Source {
  readonly store: Store
  readonly self: { readonly id: string } | undefined
  readonly clock: Clock
  readonly background: { start(work: () => Promise<unknown>): void }
}

const NOTHING: Kept = { entries: {}, releases: [] }
const SAVE_MS = 200

export class HostCopy {
  readonly #file: CopyFile
  #kept: Kept
  #scheduled = false

  constructor(file: CopyFile) {
    this.#file = file
    this.#kept = decode(file.read())
  }

  get entries(): Readonly<Record<string, string>> {
    return this.#kept.entries
  }

  get releases(): readonly Release[] {
    return this.#kept.releases
  }

  /** Copies what the store says of this host, soon. */
  remember(context: Source): void {
    if (this.#scheduled) return
    this.#scheduled = true
    context.background.start(async () => {
      await context.clock.sleep(SAVE_MS)
      this.#scheduled = false
      await this.save(context)
    })
  }

  /** Whether a store at this revision was put back to an older state than was copied. */
  isAheadOf(revision: number): boolean {
    return revision < (this.#kept.revision ?? 0)
  }

  /**
   * Whether the store was put back to an older state: the host's own mark tells, when others have
   * written so much since that the revision does not.
   */
  async isAheadOfMark({ store, self }: Pick<Source, 'store' | 'self'>): Promise<boolean> {
    const { mark } = this.#kept
    if (self === undefined || mark === undefined) return false
    const entry = await store.get(markKey(self.id))
    return entry === undefined || entry.modRevision < mark
  }

  /** The store has been told what it had lost. */
  restored(): void {
    const { mark: _lost, ...kept } = this.#kept
    this.#put({ ...kept, revision: 0 })
  }

  async save({ store, self }: Source): Promise<void> {
    if (self === undefined) return
    const revision = await store.revision()
    // What it has lost is only here now; it may have gone back while it was asked.
    if (this.isAheadOf(revision) || (await this.isAheadOfMark({ store, self }))) return
    const parents = await entriesUnder(store, parentKey(self.id, ''))
    const joined = new Set(parents.map(({ key }) => NETWORKS + key.split('/')[2]))
    const networks = (await entriesUnder(store, NETWORKS)).filter(({ key }) => joined.has(key))
    const here = await entriesUnder(store, `here/${self.id}/`)
    const pairs = [...networks, ...parents, ...here].map(({ key, value }): [string, string] => [
      key,
      value,
    ])
    if ((await store.revision()) < revision) return
    const entries = Object.fromEntries(pairs)
    const { mark } = this.#kept
    if (mark !== undefined && isDeepStrictEqual(entries, this.#kept.entries)) {
      this.#put({ ...this.#kept, revision })
      return
    }
    const made = await this.#sign(store, self.id)
    if (made !== undefined) this.#put({ ...this.#kept, entries, revision, mark: made })
  }

  /** @returns the revision of the mark; undefined when the store has gone back meanwhile */
  async #sign(store: Store, id: string): Promise<number | undefined> {
    const key = markKey(id)
    for (;;) {
      const known = await store.get(key)
      const { mark } = this.#kept
      if (mark !== undefined && (known === undefined || known.modRevision < mark)) return undefined
      const { done, revision } = await store.transact({
        when: [
          known === undefined ? { key, is: 'absent' } : { key, modRevision: known.modRevision },
        ],
        then: [{ put: key, value: '' }],
      })
      if (done) return revision
    }
  }

  /** Written down before the answer: the endpoint is gone, the store will hear of it. */
  journal(release: Release): void {
    const others = this.releases.filter((one) => !isSame(one, release))
    this.#put({ ...this.#kept, releases: [...others, release] })
  }

  /** It has been told, or the endpoint is back. */
  settle(release: Release): void {
    if (!this.releases.some((one) => isSame(one, release))) return
    const releases = this.releases.filter((one) => !isSame(one, release))
    this.#put({ ...this.#kept, releases })
  }

  #put(kept: Kept): void {
    this.#kept = kept
    this.#file.write(JSON.stringify(kept))
  }
}

const isSame = (a: Release, b: Release): boolean => a.network === b.network && a.name === b.name

function decode(text: string | undefined): Kept {
  if (text === undefined) return NOTHING
  try {
    return { ...NOTHING, ...(JSON.parse(text) as Partial<Kept>) }
  } catch {
    // A torn file: it is only needed when the store is lost as well.
    return NOTHING
  }
}
