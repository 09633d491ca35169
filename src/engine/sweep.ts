/**
 * Desired state against what is there. One walk serves `status` (which only tells) and `reconcile`
 * (which mends on the way, since what is found later hangs on what was mended before): parents, the
 * host's children, endpoints, the host's routes, leftovers, leases.
 */
import type { Snapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { takeAway } from './disconnect.ts'
import { verifyAgain } from './introduce.ts'
import { finishRemoval } from './remove-network.ts'
import {
  endpointKey,
  type EndpointRecord,
  joinedNetworks,
  listEndpoints,
  listNetworks,
} from './records.ts'
import { replayReleases } from './restore.ts'
import { sweepEndpoints } from './sweep-endpoints.ts'
import { sweepHost } from './sweep-host.ts'
import { sweepGone, sweepLeases } from './sweep-leases.ts'
import { sweepLeftovers } from './sweep-leftovers.ts'
import { sweepParents } from './sweep-parents.ts'
import { type Desired, Sweep } from './walk.ts'

export async function desiredState(context: Context): Promise<Desired> {
  const { store, self } = context
  const joined = await joinedNetworks(store, self?.id)
  const networks = joined.filter((n) => n.phase === 'ready')
  const endpoints = (await listEndpoints(store, self?.id)).filter((e) => e.phase === 'here')
  return { networks, endpoints }
}

/** Walks once. */
export async function sweep(context: Context, mends: boolean): Promise<Sweep> {
  const walk = new Sweep(context, mends)
  context.view.forget()
  const isFree = (one: EndpointRecord): boolean =>
    !context.doubled.has(endpointKey(one.network, one.name))
  if (mends && (await replayReleases(context)) > 0) context.view.forget()
  await sweepHalves(walk)
  await sweepParents(walk, await desiredState(context))
  const desired = await desiredState(context)
  await sweepHost(walk, desired)
  const parts = ['addresses', 'routes', 'neighbours'] as const
  const snapshot: Snapshot = await context.fabric.snapshot({ parts })
  // Of several hosts another may hold what this one has: it must not come up before that is known.
  if (context.self !== undefined) await sweepLeases(walk, desired)
  await sweepEndpoints(walk, { ...desired, endpoints: desired.endpoints.filter(isFree) }, snapshot)
  await sweepUnreached(walk, desired)
  await sweepLeftovers(walk, await desiredState(context), snapshot)
  await sweepGone(walk)
  if (context.self === undefined) await sweepLeases(walk, await desiredState(context))
  return walk
}

/**
 * Host access that was tried in vain. A firewall on the way is nobody's to change but the user's:
 * the endpoint stays, is told of, and is tried again.
 */
async function sweepUnreached(walk: Sweep, desired: Desired): Promise<void> {
  const { context } = walk
  if (context.unreached.size === 0) return
  const here = desired.endpoints.flatMap((endpoint) => {
    const network = desired.networks.find((one) => one.name === endpoint.network)
    return network === undefined ? [] : [{ network, endpoint }]
  })
  await verifyAgain(context, here)
  for (const { network, endpoint } of here) {
    const why = context.unreached.get(endpointKey(network.name, endpoint.name))
    // What else is wrong with it is the reason, and has been told.
    const told = walk.drifts.some(
      (one) => one.network === network.name && one.endpoint === endpoint.name,
    )
    if (why !== undefined && !told)
      await walk.found({ network: network.name, endpoint: endpoint.name }, why)
  }
}

/** Removals that did not come to their end. */
async function sweepHalves(walk: Sweep): Promise<void> {
  const { context } = walk
  const host = context.self?.id
  const networks = await listNetworks(context.store, host)
  for (const endpoint of await listEndpoints(context.store, host)) {
    const network = networks.find((one) => one.name === endpoint.network)
    if (endpoint.phase !== 'leaving' || network === undefined) continue
    const at = { network: endpoint.network, endpoint: endpoint.name }
    const fix = () => takeAway(context, network, endpoint)
    await walk.found(at, 'its disconnect was interrupted', { how: 'disconnected', fix })
  }
  for (const network of networks) {
    if (network.phase !== 'removing') continue
    const fix = () => finishRemoval(context, network)
    const at = { network: network.name }
    await walk.found(at, 'its removal was interrupted', { how: 'removed', fix })
  }
}
