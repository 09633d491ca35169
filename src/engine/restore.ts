/** A store that lost what this host had, or could not be asked: told again, told later. */
import { planLeave } from '../driver/endpoint.ts'
import { endpointAlias } from '../driver/names.ts'
import { LanyardError } from '../errors.ts'
import { applyGently, type Context } from './context.ts'
import { takeAway } from './disconnect.ts'
import { snapshotOf } from './sandbox.ts'
import { type EndpointRecord, findEndpoint, findNetwork, NETWORKS } from './records.ts'
import type { Endpoint, Network } from './types.ts'

/**
 * Says everything again that the store has lost; what it still has is left as it is. Leases follow
 * in the next walk, and with them conflicts show. Repeatable.
 */
export async function restoreCopy(context: Context): Promise<void> {
  const { store, copy, self, addresses } = context
  const kept = Object.entries(copy?.entries ?? {})
  if (self === undefined) return
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
  copy?.restored()
  copy?.remember(context)
  if (restored === 0) return
  const detail = `the store had lost ${restored} records of host ${self.name}: they were said again`
  context.emit({ what: 'healed', network: '', endpoint: undefined, detail })
}

/**
 * A store that was put back to an older state while nobody here looked is told again, before
 * anything of this host is judged by what it says. Its revision tells, or this host's own mark.
 *
 * @param revision of the store, before this host wrote anything
 */
export async function restoreIfOlder(context: Context, revision: number): Promise<void> {
  const { copy, self, sandboxes, spares, store } = context
  if (self === undefined || copy === undefined) return
  if (!copy.isAheadOf(revision) && !(await copy.isAheadOfMark(context))) return
  self.pause()
  if (spares !== undefined) spares.trusted = false
  await self.register()
  await restoreCopy(context)
  await sandboxes.load(store, self.id)
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

/**
 * An endpoint comes again whose going the store has not been told: it is told first, lest the going
 * be told later, of the one that came.
 *
 * @returns its record, if it still has one
 */
export async function tellRelease(
  context: Context,
  network: Network,
  known: EndpointRecord | undefined,
  name: string,
): Promise<EndpointRecord | undefined> {
  const { copy, self } = context
  const release = copy?.releases.find((one) => one.network === network.name && one.name === name)
  if (release === undefined) return known
  const mine = known !== undefined && known.hostId === self?.id
  if (mine) await takeAway(context, network, { ...known, phase: 'leaving' })
  copy?.settle(release)
  return mine ? undefined : known
}

/** Whether it failed for want of the store, and taking it back did for nothing else. */
export const isAway = (error: unknown): boolean =>
  error instanceof AggregateError
    ? error.errors.every(isAway)
    : error instanceof LanyardError && error.code === 'store-unavailable'
