/**
 * Pools and leases nobody uses, of doors that died before their record; endpoints without one.
 *
 * Of several hosts each judges only its own leases, and gives one up only when it has seen twice,
 * a grace time apart, that nothing of this host uses it. What another host holds is kept, whatever
 * it looks like from here.
 */
import { formatIp } from '../addr/ip.ts'
import { isForgotten } from './claim.ts'
import type { Context } from './context.ts'
import {
  endpointKey,
  type EndpointRecord,
  findEndpoint,
  listEndpoints,
  listNetworks,
  type NetworkRecord,
  parentKey,
  parentsOf,
  write,
} from './records.ts'
import { leaseBack } from './stand-back.ts'
import type { Lease } from './types.ts'
import type { Desired, Sweep } from './walk.ts'

/** Between the two looks that make a lease of ours nobody's. */
const GRACE_MS = 60_000

export async function sweepLeases(walk: Sweep, desired: Desired): Promise<void> {
  const { context } = walk
  const { addresses, self } = context
  await sweepPools(walk)
  const held = new Set<string>()
  const records = await listEndpoints(context.store, self?.id)
  const owners = new Set(records.map((e) => `${e.network}/${e.name}`))
  const seen = new Set<string>()
  for (const lease of await addresses.leases()) {
    const network = desired.networks.find((one) => one.name === lease.network)
    if (network !== undefined && isForgotten(lease, context.now())) {
      const what = `address ${formatIp(lease.address)} is kept for an endpoint that never came`
      const fix = () => addresses.free(network, lease.address)
      await walk.found({ network: lease.network }, what, { how: 'released', fix })
    }
    if (lease.kind !== 'endpoint' || network === undefined || lease.host !== self?.name) continue
    const owner = `${lease.network}/${lease.holder}`
    held.add(`${owner}/${formatIp(lease.address)}`)
    if (owners.has(owner)) continue
    seen.add(owner)
    if (!isDue(context, owner) || (await isUsed(context, lease))) continue
    const at = { network: lease.network, endpoint: lease.holder }
    const what = `lease ${formatIp(lease.address)} belongs to no endpoint`
    // Its record may come while this is on its way.
    const when = [{ key: endpointKey(lease.network, lease.holder), is: 'absent' } as const]
    const fix = () => addresses.release(network, lease.holder, { when })
    await walk.found(at, what, { how: 'released', fix })
  }
  for (const owner of context.suspects.keys()) if (!seen.has(owner)) context.suspects.delete(owner)
  for (const endpoint of desired.endpoints) {
    const network = desired.networks.find((one) => one.name === endpoint.network)
    const ips = endpoint.addresses.map((a) => a.address)
    const owner = `${endpoint.network}/${endpoint.name}`
    const all = ips.every((ip) => held.has(`${owner}/${formatIp(ip)}`))
    if (all) context.doubled.delete(endpointKey(endpoint.network, endpoint.name))
    if (all || network === undefined) continue
    await leaseAgain(walk, network, endpoint)
  }
}

/**
 * Twice, and so long apart, where other hosts and other processes may be in the middle of it; by a
 * clock that nobody sets.
 */
function isDue({ self, suspects, clock }: Context, owner: string): boolean {
  if (self === undefined) return true
  const nowMs = clock.nowNs() / 1e6
  const since = suspects.get(owner)
  if (since === undefined) suspects.set(owner, nowMs)
  return since !== undefined && nowMs - since >= GRACE_MS
}

/** The last look: its record may have come meanwhile. */
async function isUsed(context: Context, lease: Lease): Promise<boolean> {
  if (context.self === undefined) return false
  return (await findEndpoint(context.store, lease.network, lease.holder)) !== undefined
}

async function leaseAgain(
  walk: Sweep,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  const { context } = walk
  const at = { network: endpoint.network, endpoint: endpoint.name }
  const fix = () => leaseBack(context, network, endpoint)
  await walk.found(at, 'its addresses have no lease', { how: 'leased again', fix })
}

async function sweepPools(walk: Sweep): Promise<void> {
  const { addresses, store, self } = walk.context
  // Another host may be in the middle of making a network: its pools come before its record.
  if (self !== undefined) return
  const networks = await listNetworks(store, undefined)
  for (const pools of await addresses.opened()) {
    if (
      networks.some(
        (one) => one.phase === 'ready' && one.name === pools.name && one.segment === pools.segment,
      )
    )
      continue
    const what = `pools in segment ${pools.segment} belong to no network`
    const fix = () => addresses.close(pools)
    await walk.found({ network: pools.name }, what, { how: 'removed', fix })
  }
}

/** Networks that hang on a link of this host, and that another host has removed. */
export async function goneNetworks({ store, self }: Context): Promise<readonly string[]> {
  if (self === undefined) return []
  // In this order: what hung on a link then had its network before.
  const hung = await parentsOf(store, self.id)
  if (hung.length === 0) return []
  const networks = new Set((await listNetworks(store, undefined)).map((one) => one.name))
  return hung.filter((name) => !networks.has(name))
}

/** Where such a network hung; its links were leftovers. */
export async function sweepGone(walk: Sweep): Promise<void> {
  const { store, self } = walk.context
  for (const name of await goneNetworks(walk.context)) {
    const fix = () => write(store, { delete: parentKey(self?.id ?? '', name) })
    await walk.found({ network: name }, 'another host removed it', { how: 'left', fix })
  }
}
