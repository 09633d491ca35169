/** The host's child on a parent: there as long as a network wants it, with a route an endpoint. */
import { formatIp, type Ip } from '../addr/ip.ts'
import {
  planHostAccess,
  planHostAccessAway,
  planHostNeighbours,
  planHostRoutes,
  planHostRoutesAway,
  sourceTo,
} from '../driver/host-access.ts'
import { hostLinkName } from '../driver/names.ts'
import type { Probe } from '../fabric/fabric.ts'
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
  return [
    ...planHostRoutes(network.parentLink, context.host, endpoint, own),
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

interface Way<N> {
  readonly newcomer: N
  readonly probe: Probe
  /** What it means when it is not answered. */
  readonly why: string
}

/**
 * Pings both ways between the host and endpoints, all at once; those that fail once more.
 *
 * @returns who is not well, each with a sentence; nobody where there is no host access to speak of
 */
export async function verifyHostAccess<
  N extends { readonly network: Network; readonly endpoint: Endpoint },
>(context: Context, newcomers: readonly N[]): Promise<ReadonlyMap<N, string>> {
  let ways: Way<N>[] = []
  for (const newcomer of newcomers) ways.push(...(await waysOf(context, newcomer)))
  for (let attempt = 0; attempt < 2 && ways.length > 0; attempt++) {
    const results = await context.fabric.probe(ways.map(({ probe }) => probe))
    ways = ways.filter((_, i) => results[i]?.outcome !== 'reply')
  }
  // The first of each that failed.
  return new Map(ways.toReversed().map(({ newcomer, why }) => [newcomer, why]))
}

async function waysOf<N extends { readonly network: Network; readonly endpoint: Endpoint }>(
  context: Context,
  newcomer: N,
): Promise<Way<N>[]> {
  const { network, endpoint } = newcomer
  const own = await hostAddresses(context, network)
  // Without carrier nobody reaches anybody; when it is back all are tried.
  if ((await context.view.link(network.parentLink))?.carrier !== true) return []
  return endpoint.addresses.flatMap((prefix): Way<N>[] => {
    const { address } = prefix
    const mine = sourceTo(prefix, own)
    if (mine === undefined) return []
    const icmp = { protocol: 'icmp', timeoutMs: PROBE_MS } as const
    const [there, here] = [
      `${endpoint.name} (${formatIp(address)})`,
      `the host (${formatIp(mine)})`,
    ]
    return [
      {
        newcomer,
        probe: { ...icmp, from: context.host, to: address },
        why: `${here} does not reach ${there}`,
      },
      {
        newcomer,
        probe: { ...icmp, from: endpoint.sandbox, to: mine, source: address },
        why: `${there} does not reach ${here}`,
      },
    ]
  })
}
