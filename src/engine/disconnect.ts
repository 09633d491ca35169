/** An endpoint goes: its record says so first, then link, routes and lease follow. */
import { planLeave } from '../driver/endpoint.ts'
import { endpointAlias } from '../driver/names.ts'
import { applyGently, type Context } from './context.ts'
import { endpointsIn, planGateway } from './gateway.ts'
import { dropHostWays } from './host-access.ts'
import { mustBeHere } from './self.ts'
import {
  endpointGone,
  endpointKey,
  eraseEndpoint,
  type EndpointRecord,
  findEndpoint,
  findNetwork,
  isChanged,
  saveEndpoint,
  missingNetwork,
} from './records.ts'
import { snapshotOf } from './sandbox.ts'
import type { Endpoint, Network } from './types.ts'

const GONE = ['ENODEV', 'ENOENT', 'ESRCH'] as const

/**
 * Takes an endpoint away. A sandbox that is gone is a success, and so is an endpoint that is:
 * it may be asked for as often as one likes.
 *
 * A crash leaves a record that says `leaving`; reconcile goes on from there.
 *
 * @throws LanyardError `network-missing`
 */
export async function disconnect(context: Context, network: string, name: string): Promise<void> {
  const { store, faults } = context
  const of = await findNetwork(store, network, context.self?.id)
  if (of === undefined) throw await missingNetwork(context.store, network)
  const leaving = await beginLeaving(context, of, name)
  if (leaving === undefined) return
  await faults.at('disconnect:2-record')
  if (leaving.phase === 'leaving') await takeAway(context, of, leaving)
  const detail = leaving.sandbox === '' ? '' : `from ${leaving.sandbox}`
  context.emit({ what: 'disconnected', network, endpoint: name, detail })
}

/**
 * From here on it goes, whatever happens; one that has nothing but its addresses is gone already.
 *
 * @returns what is going; undefined when there is no such endpoint
 */
async function beginLeaving(
  context: Context,
  network: Network,
  name: string,
): Promise<EndpointRecord | undefined> {
  for (;;) {
    const known = await findEndpoint(context.store, network.name, name)
    if (known === undefined) return undefined
    await mustBeHere(context, known)
    await context.faults.at('disconnect:1-found')
    try {
      if (known.phase !== 'apart' || known.handed !== undefined)
        return await saveEndpoint(context.store, { ...known, phase: 'leaving' })
      await release(context, network, known)
      return known
    } catch (error) {
      // Another process has changed it since it was read: it may be another's by now.
      if (!isChanged(error)) throw error
    }
  }
}

/**
 * The rest of a disconnect, from wherever it stopped. Every step is tried; the record stays while
 * one has failed, so that reconcile tries again.
 */
export async function takeAway(
  context: Context,
  network: Network,
  endpoint: EndpointRecord,
): Promise<void> {
  const { faults } = context
  const failures: unknown[] = []
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  await attempt(() => dropHostWays(context, network, endpoint))
  await faults.at('disconnect:3-routes')
  if (endpoint.sandbox !== '') await attempt(() => removeLink(context, endpoint))
  const { handed: name } = endpoint
  if (name !== undefined)
    await attempt(() => applyGently(context, [{ do: 'link.del', netns: context.host, name }], GONE))
  await faults.at('disconnect:4-link')
  if (failures.length > 0) {
    const what = `endpoint ${endpoint.name} of network ${network.name} was not removed wholly`
    throw new AggregateError(failures, what)
  }
  await release(context, network, endpoint)
  context.sandboxes.remove(endpoint)
  await faults.at('disconnect:5-answer')
}

/**
 * Lease and record go together, on the condition that the record is still the one that was read:
 * what is asked for now may be done when the endpoint has long been told to be there again.
 */
export async function release(
  { addresses, store }: Context,
  network: Network,
  endpoint: EndpointRecord,
): Promise<void> {
  const { unchanged } = endpoint
  const given = await addresses.release(network, endpoint.name, {
    also: endpointGone(endpoint),
    when: unchanged === undefined ? [] : [unchanged],
    mac: endpoint.mac,
  })
  // Without a lease nothing says that the record is ours still.
  if (!given) await eraseEndpoint(store, endpoint)
}

/** An endpoint that did not come wholly gives back what it got, whatever that was. Repeatable. */
export async function giveBack(context: Context, network: Network, name: string): Promise<void> {
  const { store, addresses, self } = context
  const known = await findEndpoint(store, network.name, name)
  if (known === undefined) {
    const key = endpointKey(network.name, name)
    await addresses.release(network, name, { when: [{ key, is: 'absent' }] })
  } else if (known.hostId === self?.id) await release(context, network, known)
}

/** Removes the link that bears the endpoint's mark, under whatever name, and mends the default. */
export async function removeLink(context: Context, endpoint: Endpoint): Promise<void> {
  const sandbox = await snapshotOf(context, endpoint.sandbox)
  if (sandbox === undefined) return
  const alias = endpointAlias(endpoint.network, endpoint.name)
  const link = sandbox.links.find((one) => one.alias === alias)
  if (link === undefined) return
  const { name } = link
  await applyGently(context, planLeave({ sandbox: endpoint.sandbox, link: name }), GONE)
  const others = (await endpointsIn(context, endpoint.sandbox)).filter(
    (one) => one.endpoint.network !== endpoint.network || one.endpoint.name !== endpoint.name,
  )
  if (others.length === 0) return
  const routes = sandbox.routes.filter((route) => route.link !== name)
  await applyGently(context, planGateway({ ...sandbox, routes }, others), GONE)
}
