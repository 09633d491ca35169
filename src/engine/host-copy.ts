/**
 * What this host would say again to a store that lost it (emptied, or put back from an old copy):
 * its networks, where they hang, its endpoints; and what went while the store could not be asked.
 * The kernel has the links; this has the words for them.
 *
 * The file is written a moment after each change and at the end. A crash in that moment costs
 * nothing while the store is there.
 */
import { LanyardError } from '../errors.ts'
import { entriesUnder } from '../ipam/ipam.ts'
import type { Context } from './context.ts'
import { applyGently } from './context.ts'
import { planLeave } from '../driver/endpoint.ts'
import { endpointAlias } from '../driver/names.ts'
import { snapshotOf, takeAway } from './disconnect.ts'
import { findEndpoint, findNetwork, NETWORKS, parentKey } from './records.ts'
import type { Endpoint } from './types.ts'

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
  remember(context: Context): void {
    if (this.#scheduled) return
    this.#scheduled = true
    context.background.start(async () => {
      await context.clock.sleep(SAVE_MS)
      this.#scheduled = false
      await this.save(context)
    })
  }

  async save({ store, self }: Context): Promise<void> {
    if (self === undefined) return
    const parents = await entriesUnder(store, parentKey(self.id, ''))
    const joined = new Set(parents.map(({ key }) => NETWORKS + key.split('/')[2]))
    const networks = (await entriesUnder(store, NETWORKS)).filter(({ key }) => joined.has(key))
    const here = await entriesUnder(store, `here/${self.id}/`)
    const pairs = [...networks, ...parents, ...here].map(({ key, value }): [string, string] => [
      key,
      value,
    ])
    this.#put({ ...this.#kept, entries: Object.fromEntries(pairs) })
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

/**
 * Says everything again that the store has lost; what it still has is left as it is. Leases follow
 * in the next walk, and with them conflicts show. Repeatable.
 */
export async function restoreCopy(context: Context): Promise<void> {
  const { store, copy, self, addresses } = context
  const kept = Object.entries(copy?.entries ?? {})
  if (self === undefined || kept.length === 0) return
  let restored = 0
  for (const [key, value] of kept) {
    const then = [{ put: key, value }]
    if (key.startsWith('here/')) {
      const [, , network = '', name = ''] = key.split('/')
      const shared = `endpoint/${network}/${name}`
      const { done } = await store.transact({
        when: [{ key: shared, is: 'absent' }],
        then: [...then, { put: shared, value }],
      })
      if (done) restored++
      continue
    }
    const { done } = await store.transact({ when: [{ key, is: 'absent' }], then })
    if (done) restored++
  }
  for (const [key] of kept)
    if (key.startsWith(NETWORKS)) {
      const network = await findNetwork(store, key.slice(NETWORKS.length), self.id)
      if (network?.phase === 'ready') await addresses.open(network)
    }
  if (restored === 0) return
  const detail = `the store had lost ${restored} records of host ${self.name}: they were said again`
  context.emit({ what: 'healed', network: '', endpoint: undefined, detail })
}

/**
 * A disconnect that the store cannot be asked about: the link goes, the release is written down
 * here, and told when the store is back. The address stays held until then.
 *
 * @returns whether there was such an endpoint
 */
export async function leaveWithoutStore(
  context: Context,
  network: string,
  name: string,
): Promise<boolean> {
  const { copy, self } = context
  const text = copy?.entries[`here/${self?.id ?? ''}/${network}/${name}`]
  if (copy === undefined || text === undefined) return false
  const { sandbox } = JSON.parse(text) as Endpoint
  const there = await snapshotOf(context, sandbox)
  const alias = endpointAlias(network, name)
  const link = there?.links.find((one) => one.alias === alias)
  copy.journal({ network, name })
  if (link !== undefined)
    await applyGently(context, planLeave({ sandbox, link: link.name }), ['ENODEV', 'ENOENT'])
  const detail = `from ${sandbox}; the store does not answer and will be told`
  context.emit({ what: 'disconnected', network, endpoint: name, detail })
  return true
}

/** Tells the store what went while it was away. */
export async function replayReleases(context: Context): Promise<number> {
  const { copy, self, store } = context
  let told = 0
  for (const release of copy?.releases ?? []) {
    const network = await findNetwork(store, release.network, self?.id)
    const endpoint = await findEndpoint(store, release.network, release.name)
    if (network !== undefined && endpoint !== undefined && endpoint.hostId === self?.id) {
      await takeAway(context, network, { ...endpoint, phase: 'leaving' })
      told++
    }
    copy?.settle(release)
  }
  return told
}

export const isAway = (error: unknown): boolean =>
  error instanceof LanyardError && error.code === 'store-unavailable'
