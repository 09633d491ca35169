/** A network goes: from all hosts, or from this one while others have it. */
import { parentAlias } from '../driver/names.ts'
import { planParentAway } from '../driver/parent.ts'
import { LanyardError } from '../errors.ts'
import { applyGently, type Context } from './context.ts'
import { release } from './disconnect.ts'
import { dropAllLinks, dropAllRecords } from './disconnect-all.ts'
import { dropHostChild } from './host-access.ts'
import { restoreSettings } from './parent-settings.ts'
import { giveBackOf } from './reclaim.ts'
import {
  type EndpointRecord,
  findNetwork,
  joinedNetworks,
  listEndpoints,
  missingNetwork,
  networkKey,
  type NetworkRecord,
  othersOn,
  parentKey,
  putNetwork,
  write,
} from './records.ts'
import type { RemoveOptions } from './types.ts'

const GONE = ['ENODEV', 'ENOENT'] as const

/** Those in the way of a network's end, of other hosts by the name of the host too. */
async function inUse(
  { self }: Context,
  network: string,
  endpoints: readonly EndpointRecord[],
): Promise<LanyardError> {
  const [first] = endpoints
  const hosts = new Map<string | undefined, string>()
  for (const { hostId: id } of endpoints) {
    if (id !== undefined && id !== self?.id) hosts.set(id, (await self?.nameOf(id)) ?? id)
  }
  return new LanyardError('network-in-use', {
    network,
    endpoints: endpoints.map(({ name, hostId }) => {
      const host = hosts.get(hostId)
      return host === undefined ? name : `${name} on host ${host}`
    }),
    first: first?.name ?? '',
    host: hosts.get(first?.hostId),
  })
}

/**
 * Removes a network that has no endpoints, or with `disconnect` together with them. Repeatable: one
 * that is gone is no error for whoever removed it, but `network-missing` for whoever names one that
 * never was.
 *
 * @throws LanyardError `network-missing`, `network-in-use`, `network-kept`
 */
export async function removeNetwork(
  context: Context,
  name: string,
  options: RemoveOptions = {},
): Promise<void> {
  const { store, faults } = context
  const known = await findNetwork(store, name, context.self?.id)
  if (known === undefined) throw await missingNetwork(store, name)
  if (options.here === true && (await leaveNetwork(context, known))) return
  if (options.here !== true && options.force !== true) await mustBeOurs(context, known)
  const all = await listEndpoints(store, undefined, name)
  // Those of another host are that host's to take away.
  const inTheWay =
    options.disconnect === true ? all.filter((one) => one.hostId !== context.self?.id) : all
  if (inTheWay.length > 0) throw await inUse(context, name, inTheWay)
  await faults.at('remove:1-found')
  const leaving: NetworkRecord = { ...known, phase: 'removing' }
  await write(store, putNetwork(leaving))
  await faults.at('remove:2-record')
  await finishRemoval(context, leaving)
  const detail = `${known.kind} on ${known.parentLink}`
  context.emit({ what: 'network-removed', network: name, endpoint: undefined, detail })
}

/** Docker would go on with a network that is not there. @throws LanyardError `network-kept` */
async function mustBeOurs({ store, self }: Context, known: NetworkRecord): Promise<void> {
  const { name: network, ownLabels } = known
  const others = self === undefined ? [] : await othersOn(store, self.id, network)
  for (const keeper of [{ id: self?.id, ownLabels }, ...others]) {
    if (keeper.ownLabels === undefined) continue
    const host = keeper.id === self?.id ? undefined : await self?.nameOf(keeper.id ?? '')
    throw new LanyardError('network-kept', { network, host })
  }
}

/**
 * Takes a network from this host while others have it. A crash before the end leaves it joined, and
 * reconcile makes it whole again.
 *
 * @returns whether there are others
 * @throws LanyardError `network-in-use`
 */
async function leaveNetwork(context: Context, network: NetworkRecord): Promise<boolean> {
  const { store, self } = context
  if (self === undefined) return false
  for (;;) {
    const [other] = (await othersOn(store, self.id, network.name)).map(({ id }) => id)
    if (other === undefined) return false
    if (!network.joined) return true
    const endpoints = await listEndpoints(store, self.id, network.name)
    if (endpoints.length > 0) throw await inUse(context, network.name, endpoints)
    const steps = new Steps()
    await takeDown(context, network, steps)
    steps.done(network.name)
    // Of two that leave at once the second removes it.
    const { done } = await store.transact({
      when: [{ key: parentKey(other, network.name), is: 'present' }],
      then: [{ delete: parentKey(self.id, network.name) }],
    })
    if (done) break
  }
  const detail = `left ${network.parentLink}; other hosts have it still`
  context.emit({ what: 'network-removed', network: network.name, endpoint: undefined, detail })
  return true
}

/** Steps that are all tried, whatever comes of each. */
class Steps {
  readonly #failures: unknown[] = []

  async attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#failures.push(error)
    }
  }

  /** @throws AggregateError when one failed */
  done(network: string): void {
    if (this.#failures.length === 0) return
    throw new AggregateError(this.#failures, `network ${network} was not removed wholly`)
  }
}

/** All that a network has on this host alone. @returns who was on it */
async function takeDown(
  context: Context,
  network: NetworkRecord,
  steps: Steps,
): Promise<readonly EndpointRecord[]> {
  let endpoints: readonly EndpointRecord[] = []
  await steps.attempt(async () => (endpoints = await dropAllLinks(context, network)))
  await steps.attempt(() => dropHostChild(context, network))
  await steps.attempt(() => restoreSettings(context, network))
  await steps.attempt(() => dropParent(context, network))
  await context.faults.at('remove:3-links')
  await steps.attempt(() => giveBackOf(context, network.name))
  return endpoints
}

/** The rest of a removal, from wherever it stopped. */
export async function finishRemoval(context: Context, network: NetworkRecord): Promise<void> {
  const { store, faults } = context
  const steps = new Steps()
  const endpoints = await takeDown(context, network, steps)
  // On another host somebody may just have got an address: then it stays, and only ours go.
  if (context.self !== undefined)
    await steps.attempt(() =>
      Promise.all(endpoints.map((endpoint) => release(context, network, endpoint))),
    )
  await steps.attempt(() => context.addresses.close(network, context.self === undefined))
  await faults.at('remove:4-pools')
  steps.done(network.name)
  await dropAllRecords(context, network, endpoints)
  const own = context.self === undefined ? [] : [parentKey(context.self.id, network.name)]
  await write(store, ...[networkKey(network.name), ...own].map((key) => ({ delete: key })))
}

/** A parent of ours goes with the last network on it; one that only bears our name does not. */
async function dropParent(context: Context, network: NetworkRecord): Promise<void> {
  if (!network.parentOwned) return
  const others = await joinedNetworks(context.store, context.self?.id)
  const shared = others.some(
    (other) =>
      other.name !== network.name &&
      other.parentLink === network.parentLink &&
      other.phase === 'ready',
  )
  if (shared) return
  const link = await context.view.link(network.parentLink)
  if (link === undefined || link.alias !== parentAlias(network.parentLink)) return
  context.lan.forget(network.parentLink)
  await applyGently(context, planParentAway(network.parentLink, context.host), GONE)
  context.view.forget()
}
