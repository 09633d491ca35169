/** All endpoints of a network taken away at once, because the network goes. */
import { planHostRoutesAway } from '../driver/host-access.ts'
import { groupOf } from '../driver/names.ts'
import type { Op } from '../fabric/plan.ts'
import { applyGently, type Context } from './context.ts'
import { snapshotOf } from './sandbox.ts'
import { endpointsIn, planGateway } from './gateway.ts'
import { hostAddresses } from './host-access.ts'
import { endpointGone, type EndpointRecord, listEndpoints, type NetworkRecord } from './records.ts'

/** A sandbox may be gone (ENOENT), its name a plain file by now (EINVAL), its links (ENODEV). */
const GONE = ['ENODEV', 'ENOENT', 'ESRCH', 'EINVAL'] as const
/** Writes of one transaction, below what every store takes. */
const CHUNK = 100

/**
 * Links and ways of all endpoints of a network. Links go by their group, one request a sandbox and
 * all of them side by side, whatever they are called by now. Repeatable.
 *
 * @returns who they were
 */
export async function dropAllLinks(
  context: Context,
  network: NetworkRecord,
): Promise<readonly EndpointRecord[]> {
  const endpoints = await listEndpoints(context.store, context.self?.id, network.name)
  if (endpoints.length === 0) return endpoints
  const own = await hostAddresses(context, network)
  const ips = endpoints.flatMap((one) => one.addresses.map((a) => a.address))
  const ways = planHostRoutesAway(network.parentLink, context.host, ips, own)
  await applyGently(context, ways, GONE)
  // Who is in no sandbox may have a link beside the parent, to be handed over.
  const sandboxes = [...new Set(endpoints.map((one) => one.sandbox || context.host))]
  const group = groupOf(network.id)
  const links = sandboxes.map((netns): Op => ({ do: 'link.del-group', netns, group }))
  await applyGently(context, links, GONE)
  if (network.attach === 'veth') context.view.forget()
  for (const sandbox of sandboxes) await handOver(context, network, sandbox)
  return endpoints
}

/** A sandbox that is on other networks, too, may need another default route. */
async function handOver(context: Context, gone: NetworkRecord, sandbox: string): Promise<void> {
  const known = context.sandboxes.of(sandbox)
  if (known.every(({ network }) => network === gone.name)) return
  const there = await snapshotOf(context, sandbox)
  if (there === undefined) return
  const others = (await endpointsIn(context, sandbox)).filter(
    ({ endpoint }) => endpoint.network !== gone.name,
  )
  await applyGently(context, planGateway(there, others), GONE)
}

/** Their records; after links and leases, so that a crash before goes on from them. */
export async function dropAllRecords(
  context: Context,
  network: NetworkRecord,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  const { store, sandboxes, emit } = context
  const gone = endpoints.flatMap(endpointGone)
  const chunks = Array.from({ length: Math.ceil(gone.length / CHUNK) }, (_, i) =>
    gone.slice(i * CHUNK, (i + 1) * CHUNK),
  )
  await Promise.all(chunks.map((then) => store.transact({ when: [], then })))
  for (const endpoint of endpoints) {
    sandboxes.remove(endpoint)
    const detail = `from ${endpoint.sandbox}`
    emit({ what: 'disconnected', network: network.name, endpoint: endpoint.name, detail })
  }
}
