/** The one default route of a sandbox that is on several networks. */
import type { Prefix } from '../addr/ip.ts'
import {
  ANY4,
  ANY6,
  defaultRouteOf,
  type DefaultRoute,
  planDefaultRoute,
} from '../driver/endpoint.ts'
import { isRouted, siblingSubnets } from '../driver/network.ts'
import type { Plan } from '../fabric/plan.ts'
import type { NetnsSnapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { findEndpoint, findNetwork } from './records.ts'
import type { Endpoint, Network } from './types.ts'

/** Whether routes of its endpoints leave by their links, without a next hop. */
export const routesByLink = (network: Network): boolean => isRouted(network)

/** Where an endpoint of such a network sends over its link, beyond its own subnets. */
export function linkRoutes(network: Network, endpoint: Endpoint): readonly Prefix[] {
  const siblings = siblingSubnets(network, endpoint)
  const families = defaultRouteOf(network, endpoint)?.families ?? []
  return [...siblings, ...families.map((family) => (family === 4 ? ANY4 : ANY6))]
}

interface Candidate {
  readonly endpoint: Endpoint
  readonly route: DefaultRoute
}

/** Higher priority first, then by the network's name: Docker's order. */
function compare(a: Candidate, b: Candidate): number {
  const byPriority = b.endpoint.gatewayPriority - a.endpoint.gatewayPriority
  return byPriority || (a.endpoint.network < b.endpoint.network ? -1 : 1)
}

/**
 * What gives a sandbox the default route it should have, a family each: that of the endpoint with
 * the highest priority. A default route that leads over a link which is not ours belongs to
 * somebody else and stays, unless an endpoint asks for more than priority 0.
 *
 * Where whoever made the sandbox programs its default route, nothing is done.
 *
 * @param endpoints all of the sandbox, those about to come included and those about to go not
 */
export function planGateway(
  sandbox: NetnsSnapshot,
  endpoints: readonly { readonly network: Network; readonly endpoint: Endpoint }[],
): Plan {
  const candidates = endpoints
    .filter(({ endpoint }) => endpoint.gatewayBy !== 'sandbox')
    .flatMap(({ network, endpoint }): Candidate[] => {
      const route = defaultRouteOf(network, endpoint)
      return route === undefined ? [] : [{ endpoint, route }]
    })
    .toSorted(compare)
  const ours = new Set(endpoints.map(({ endpoint }) => endpoint.link))
  return ([4, 6] as const).flatMap((family): Plan => {
    const winner = candidates.find(({ route }) => route.families.includes(family))
    if (winner === undefined) return []
    const { route, endpoint } = winner
    const present = sandbox.routes.filter(
      (r) => r.table === 254 && r.to.length === 0 && typeof r.to.address === addressType(family),
    )
    const foreign = present.some((r) => r.link === undefined || !ours.has(r.link))
    if (foreign && endpoint.gatewayPriority <= 0) return []
    const there = present.some((r) => r.link === route.link && r.via === route.gateways[family])
    if (there && present.length === 1) return []
    return planDefaultRoute(endpoint.sandbox, route, [family])
  })
}

function addressType(family: 4 | 6): string {
  return family === 4 ? 'number' : 'bigint'
}

interface Inside {
  readonly network: Network
  readonly endpoint: Endpoint
}

/**
 * Endpoints of a sandbox with their networks, as the store has them.
 *
 * @param known one of them that need not be looked up
 */
export async function endpointsIn(
  context: Context,
  sandbox: string,
  known?: Inside,
): Promise<Inside[]> {
  const { store, self } = context
  const found = context.sandboxes.of(sandbox).map(async ({ network: of, name }) => {
    if (known?.endpoint.network === of && known.endpoint.name === name) return known
    const [network, endpoint] = await Promise.all([
      findNetwork(store, of, self?.id),
      findEndpoint(store, of, name),
    ])
    return network === undefined || endpoint?.phase !== 'here' ? undefined : { network, endpoint }
  })
  return (await Promise.all(found)).filter((one) => one !== undefined)
}
