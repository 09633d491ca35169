/**
 * Desired state against what is there. One walk serves `status` (which only tells) and `reconcile`
 * (which mends on the way, since what is found later hangs on what was mended before): parents, the
 * host's children, endpoints, the host's routes, leftovers, leases.
 */
import { formatIp } from '../addr/ip.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { takeAway } from './disconnect.ts'
import { finishRemoval } from './network.ts'
import { isForgotten } from './claim.ts'
import { listEndpoints, listNetworks } from './records.ts'
import { sweepEndpoints } from './sweep-endpoints.ts'
import { sweepHost } from './sweep-host.ts'
import { sweepLeftovers } from './sweep-leftovers.ts'
import { sweepParents } from './sweep-parents.ts'
import { type Desired, Sweep } from './walk.ts'

export async function desiredState(context: Context): Promise<Desired> {
  const networks = (await listNetworks(context.store)).filter((n) => n.phase === 'ready')
  const endpoints = (await listEndpoints(context.store)).filter((e) => e.phase === 'here')
  return { networks, endpoints }
}

/** Walks once. */
export async function sweep(context: Context, mends: boolean): Promise<Sweep> {
  const walk = new Sweep(context, mends)
  context.view.forget()
  await sweepHalves(walk)
  await sweepParents(walk, await desiredState(context))
  const desired = await desiredState(context)
  await sweepHost(walk, desired)
  const parts = ['addresses', 'routes', 'neighbours'] as const
  const snapshot: Snapshot = await context.fabric.snapshot({ parts })
  await sweepEndpoints(walk, desired, snapshot)
  await sweepLeftovers(walk, await desiredState(context), snapshot)
  await sweepLeases(walk, await desiredState(context))
  return walk
}

/** Removals that did not come to their end. */
async function sweepHalves(walk: Sweep): Promise<void> {
  const { context } = walk
  const networks = await listNetworks(context.store)
  for (const endpoint of await listEndpoints(context.store)) {
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

/** Pools and leases nobody uses, of doors that died before their record; endpoints without one. */
async function sweepLeases(walk: Sweep, desired: Desired): Promise<void> {
  const { addresses } = walk.context
  for (const pools of await addresses.opened()) {
    if (desired.networks.some((one) => one.name === pools.name && one.segment === pools.segment))
      continue
    const what = `pools in segment ${pools.segment} belong to no network`
    const fix = () => addresses.close(pools)
    await walk.found({ network: pools.name }, what, { how: 'removed', fix })
  }
  const held = new Set<string>()
  const records = await listEndpoints(walk.context.store)
  const owners = new Set(records.map((e) => `${e.network}/${e.name}`))
  for (const lease of await addresses.leases()) {
    const network = desired.networks.find((one) => one.name === lease.network)
    if (network !== undefined && isForgotten(lease, walk.context.now())) {
      const what = `address ${formatIp(lease.address)} is kept for an endpoint that never came`
      const fix = () => addresses.free(network, lease.address)
      await walk.found({ network: lease.network }, what, { how: 'released', fix })
    }
    if (lease.kind !== 'endpoint' || network === undefined) continue
    const owner = `${lease.network}/${lease.holder}`
    held.add(`${owner}/${formatIp(lease.address)}`)
    if (owners.has(owner)) continue
    const at = { network: lease.network, endpoint: lease.holder }
    const what = `lease ${formatIp(lease.address)} belongs to no endpoint`
    const fix = () => addresses.release(network, lease.holder)
    await walk.found(at, what, { how: 'released', fix })
  }
  for (const endpoint of desired.endpoints) {
    const network = desired.networks.find((one) => one.name === endpoint.network)
    const ips = endpoint.addresses.map((a) => a.address)
    const owner = `${endpoint.network}/${endpoint.name}`
    const all = ips.every((ip) => held.has(`${owner}/${formatIp(ip)}`))
    if (all || network === undefined) continue
    const taken = () => Promise.resolve(undefined)
    const mac = network.kind === 'ipvlan' ? 'none' : endpoint.mac
    const wish = { endpoint: endpoint.name, mac, addresses: ips, taken } as const
    const at = { network: endpoint.network, endpoint: endpoint.name }
    const fix = () => addresses.lease(network, wish)
    await walk.found(at, 'its addresses have no lease', { how: 'leased again', fix })
  }
}
