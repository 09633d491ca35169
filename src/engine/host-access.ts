/** The host's child on a parent: there as long as a network wants it, with a route an endpoint. */
import { formatIp, type Ip } from '../addr/ip.ts'
import {
  planHostAccess,
  planHostAccessAway,
  planHostNeighbours,
  planHostRoutes,
  planHostRoutesAway,
} from '../driver/host-access.ts'
import { hostLinkName } from '../driver/names.ts'
import type { Plan } from '../fabric/plan.ts'
import { applyGently, type Context, hostMac, wantsHostAccess } from './context.ts'
import { joinedNetworks } from './records.ts'
import type { Endpoint, Network } from './types.ts'

const GONE = ['ENODEV', 'ENOENT', 'ESRCH', 'EINVAL'] as const

/** What makes the host's child where it is wanted, possible, and not there. */
export async function planHostChild(context: Context, network: Network): Promise<Plan> {
  const { view, host } = context
  if (!wantsHostAccess(network)) return []
  const parent = await view.link(network.parentLink)
  if (parent === undefined) return []
  const own = await view.own(parent.name)
  // A host without an address on this LAN has none to be reached by.
  if (own.length === 0) return []
  if ((await view.link(hostLinkName(parent.name))) !== undefined) return []
  return planHostAccess(parent.name, host, hostMac(parent.address), own)
}

export async function ensureHostChild(context: Context, network: Network): Promise<void> {
  const plan = await planHostChild(context, network)
  if (plan.length === 0) return
  await context.fabric.apply(plan)
  context.view.forget()
}

/** Removes the host's child when this network was the last that wanted it. */
export async function dropHostChild(context: Context, network: Network): Promise<void> {
  if (!wantsHostAccess(network)) return
  const others = await joinedNetworks(context.store, context.self?.id)
  const wanted = others.some(
    (other) =>
      other.name !== network.name &&
      other.parentLink === network.parentLink &&
      other.phase === 'ready' &&
      wantsHostAccess(other),
  )
  if (wanted) return
  context.lan.forget(hostLinkName(network.parentLink))
  await applyGently(context, planHostAccessAway(network.parentLink, context.host), GONE)
  context.view.forget()
}

/** The host's addresses an endpoint can be reached from; none without the host's child. */
export async function hostAddresses(context: Context, network: Network): Promise<readonly Ip[]> {
  if (!wantsHostAccess(network)) return []
  const { view } = context
  const child = await view.link(hostLinkName(network.parentLink))
  return child === undefined ? [] : await view.own(network.parentLink)
}

/** Routes of the host to an endpoint, and the endpoint's knowledge of the host. */
export async function planHostWays(
  context: Context,
  network: Network,
  endpoint: Endpoint,
): Promise<Plan> {
  const own = await hostAddresses(context, network)
  const child = await context.view.link(hostLinkName(network.parentLink))
  if (own.length === 0 || child === undefined) return []
  const ips = endpoint.addresses.map((a) => a.address)
  return [
    ...planHostRoutes(network.parentLink, context.host, ips, own),
    ...planHostNeighbours(endpoint, child.address, own),
  ]
}

/** Takes the host's routes to an endpoint away. */
export async function dropHostWays(
  context: Context,
  network: Network,
  endpoint: Endpoint,
): Promise<void> {
  const own = await hostAddresses(context, network)
  if (own.length === 0) return
  const ips = endpoint.addresses.map((a) => a.address)
  const plan = planHostRoutesAway(network.parentLink, context.host, ips, own)
  await applyGently(context, plan, GONE)
}

const PROBE_MS = 400

/**
 * Pings both ways between the host and an endpoint.
 *
 * @returns a sentence when one of them fails; undefined when both are well or there is no host
 * access to speak of
 */
export async function verifyHostAccess(
  context: Context,
  network: Network,
  endpoint: Endpoint,
): Promise<string | undefined> {
  const own = await hostAddresses(context, network)
  const pairs = endpoint.addresses.flatMap(({ address }) => {
    const mine = own.find((ip) => typeof ip === typeof address)
    return mine === undefined ? [] : [{ address, mine }]
  })
  if (pairs.length === 0) return undefined
  const icmp = { protocol: 'icmp', timeoutMs: PROBE_MS } as const
  const probes = pairs.flatMap(({ address, mine }) => [
    { ...icmp, from: context.host, to: address },
    { ...icmp, from: endpoint.sandbox, to: mine, source: address },
  ])
  for (let attempt = 1; ; attempt++) {
    const results = await context.fabric.probe(probes)
    const failed = results.findIndex((result) => result.outcome !== 'reply')
    if (failed < 0) return undefined
    if (attempt < 2) continue
    const pair = pairs[failed >> 1]
    if (pair === undefined) return undefined
    const [address, mine] = [formatIp(pair.address), formatIp(pair.mine)]
    return failed % 2 === 0
      ? `the host (${mine}) does not reach ${endpoint.name} (${address})`
      : `${endpoint.name} (${address}) does not reach the host (${mine})`
  }
}
