/** Endpoints: each sandbox as it is, beside the endpoints it should have. */
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { snapshotOf, takeAway } from './disconnect.ts'
import { applyState, inspectEndpoint } from './mend.ts'
import type { EndpointRecord, NetworkRecord } from './records.ts'
import type { Desired, Sweep } from './walk.ts'
import { sweepRoutes } from './sweep-host.ts'

export async function sweepEndpoints(
  walk: Sweep,
  desired: Desired,
  snapshot: Snapshot,
): Promise<void> {
  const { context } = walk
  const networks = new Map(desired.networks.map((network) => [network.name, network]))
  const known = new Map(snapshot.netns.map((netns) => [netns.name, netns]))
  for (const endpoint of desired.endpoints) {
    const network = networks.get(endpoint.network)
    if (network === undefined) continue
    const at = { network: endpoint.network, endpoint: endpoint.name }
    const parent = await context.view.link(network.parentLink)
    const name = endpoint.sandbox
    // Named ones are all in the snapshot; paths and processes are looked at one by one.
    if (isHandedOver(endpoint, known.get(context.host))) continue
    const sandbox = known.get(name) ?? (isNamed(name) ? undefined : await snapshotOf(context, name))
    if (sandbox === undefined || isHost(sandbox, parent, name, context))
      await sandboxGone(walk, network, endpoint)
    else if (parent === undefined) await walk.found(at, `it waits for parent ${network.parentLink}`)
    else await sweepEndpoint(walk, network, endpoint, sandbox)
  }
  await sweepRoutes(walk, desired)
}

/** Whether its link still lies in the host's namespace, for a runtime to take it. */
function isHandedOver(endpoint: EndpointRecord, host: NetnsSnapshot | undefined): boolean {
  const { handed } = endpoint
  return handed !== undefined && host?.links.some((link) => link.name === handed) === true
}

function isNamed(sandbox: string): boolean {
  return !sandbox.startsWith('/') && !sandbox.startsWith('pid:')
}

/** A process's number goes to another process, which most often lives in the host's namespace. */
function isHost(
  sandbox: NetnsSnapshot,
  parent: LinkSnapshot | undefined,
  name: string,
  context: Context,
): boolean {
  if (isNamed(name) || parent === undefined || name === context.host) return false
  return sandbox.links.some(
    (link) =>
      link.name === parent.name && link.index === parent.index && link.address === parent.address,
  )
}

/**
 * A namespace with a name comes back under it (after a reboot, by whoever makes it): its endpoints
 * keep address and MAC and wait. A process does not come back.
 */
async function sandboxGone(
  walk: Sweep,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  const { context } = walk
  const at = { network: endpoint.network, endpoint: endpoint.name }
  if (!endpoint.sandbox.startsWith('pid:')) {
    await walk.found(at, `its sandbox ${endpoint.sandbox} is gone; its addresses are kept`)
    return
  }
  const fix = () => takeAway(context, network, { ...endpoint, phase: 'leaving' })
  await walk.found(at, `its process (${endpoint.sandbox}) is gone`, { how: 'disconnected', fix })
}

async function sweepEndpoint(
  walk: Sweep,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  sandbox: NetnsSnapshot,
): Promise<void> {
  const { context } = walk
  const state = inspectEndpoint(network, endpoint, sandbox, context.host)
  if (state.wrong.length === 0) {
    context.trusted.add(endpoint.sandbox)
    return
  }
  const at = { network: endpoint.network, endpoint: endpoint.name }
  // Whether it is still the process of then nobody can say, unless its link was seen in it.
  if (endpoint.sandbox.startsWith('pid:') && !context.trusted.has(endpoint.sandbox)) {
    await sandboxGone(walk, network, endpoint)
    return
  }
  const how = state.remade ? 'made again' : 'set right'
  const fix = () => applyState(context, network, state, sandbox)
  await walk.found(at, state.wrong.join(', '), { how, fix })
}
