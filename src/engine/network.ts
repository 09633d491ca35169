/** Networks made. */
import { isDeepStrictEqual } from 'node:util'
import { formatIp, type Ip } from '../addr/ip.ts'
import { samePrefix } from '../addr/prefix.ts'
import { checkOptions } from '../driver/options.ts'
import { type ParentPlan, planParent } from '../driver/parent.ts'
import { LanyardError } from '../errors.ts'
import type { Plan } from '../fabric/plan.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { undoPlan } from '../fabric/undo.ts'
import { applyGently, type Context, wantsHostAccess } from './context.ts'
import { planHostChild } from './host-access.ts'
import { applyGuarded } from './guard.ts'
import { linkOf, segmentFor } from './parent-of.ts'
import { chainOf, planSettings, rememberWas } from './parent-settings.ts'
import { checkName, hexOf } from './identity.ts'
import {
  findNetwork,
  joinedNetworks,
  networkKey,
  type NetworkRecord,
  putNetwork,
  putParent,
  missingNetwork,
  write,
} from './records.ts'
import { explainRefusal } from './refusal.ts'
import { finishRemoval } from './remove-network.ts'
import type { Network, NetworkSpec } from './types.ts'
import { UndoStack } from './undo-stack.ts'

const GONE = ['ENODEV', 'ENOENT'] as const

/** A network's record as it would be, and what makes its links. */
interface Draft {
  readonly network: NetworkRecord
  readonly plan: Plan
}

/**
 * Makes a network: its parent where that is missing, the host's own child, its pools.
 *
 * The record is written last: a crash before leaves links with our marks and no record, which the
 * next reconcile removes.
 *
 * @throws LanyardError `network-exists`, `network-invalid`, and what planParent and ipam say
 */
export async function createNetwork(context: Context, spec: NetworkSpec): Promise<Network> {
  checkSpec(spec)
  const { store, faults } = context
  const known = await findNetwork(store, spec.name, context.self?.id)
  if (known?.phase === 'ready') {
    return publicNetwork(await labelled(context, sameNetwork(known, spec), spec))
  }
  if (known !== undefined) await finishRemoval(context, known)
  const { network, plan } = await draftNetwork(context, spec)
  const undo = new UndoStack()
  try {
    await faults.at('create:1-draft')
    undo.push(() => closeAgain(context, network))
    await context.addresses.open(network)
    await faults.at('create:2-pools')
    const before = { netns: [await context.view.snapshot()] }
    const fresh = await rememberWas(context, plan)
    undo.push(() => write(store, ...fresh.map((key) => ({ delete: key }))))
    undo.push(async () => {
      await applyGently(context, undoPlan(plan, before).plan, GONE)
      context.view.forget()
    })
    await applyGuarded(context, network, plan)
    await faults.at('create:3-links')
    await record(context, network)
    await faults.at('create:4-record')
  } catch (error) {
    throw await undo.run(await explainRefusal(context, network, plan, error))
  }
  const detail = `${network.kind} on ${network.parentLink}`
  context.emit({ what: 'network-created', network: network.name, endpoint: undefined, detail })
  if (wantsHostAccess(network) && !plan.some(isHostChild)) await warnHostAccess(context, network)
  return publicNetwork(network)
}

/** With the labels that this host's door gives it now. */
async function labelled(
  { store, self }: Context,
  known: NetworkRecord,
  { ownLabels = known.ownLabels }: NetworkSpec,
): Promise<NetworkRecord> {
  if (isDeepStrictEqual(ownLabels, known.ownLabels)) return known
  const network = { ...known, ...(ownLabels === undefined ? {} : { ownLabels }) }
  await write(store, putParent(network, self?.id))
  return network
}

/** The record, and where several hosts share it, which link it hangs on here; never changed. */
async function record(context: Context, network: NetworkRecord): Promise<void> {
  const { store, self } = context
  const put = putNetwork(network)
  if (self === undefined) {
    await write(store, put)
    return
  }
  const key = networkKey(network.name)
  for (;;) {
    // A host that failed to make the same network may have taken the pools away.
    const open = await context.addresses.holdOpen(network)
    const { done } = await store.transact({
      when: [{ key, is: 'absent' }, open],
      then: [put, putParent(network, self.id)],
    })
    if (done) return
    if ((await store.get(key)) !== undefined)
      throw new LanyardError('network-exists', { network: network.name, differs: 'maker' })
  }
}

/** Another host may be making the same network: the pools are its, too. */
async function closeAgain({ addresses, self }: Context, network: NetworkRecord): Promise<void> {
  if (self === undefined) await addresses.close(network)
  else await addresses.closeUnless(networkKey(network.name), network)
}

function isHostChild(op: Plan[number]): boolean {
  return op.do === 'link.add' && op.alias?.startsWith('lanyard:host:') === true
}

async function warnHostAccess(context: Context, network: Network): Promise<void> {
  const own = await context.view.own(network.parentLink)
  if (own.length > 0) return
  const detail = `no host access: the host has no address on ${network.parentLink}`
  context.emit({ what: 'drift', network: network.name, endpoint: undefined, detail })
}

/** What creating a network would do; empty when it is there. */
export async function planCreate(context: Context, spec: NetworkSpec): Promise<Plan> {
  checkSpec(spec)
  const known = await findNetwork(context.store, spec.name, context.self?.id)
  if (known?.phase === 'ready') {
    sameNetwork(known, spec)
    return []
  }
  return (await draftNetwork(context, spec)).plan
}

export function checkSpec(spec: NetworkSpec): void {
  checkName(spec.name)
  checkOptions(spec)
  const { name: network } = spec
  const invalid = (why: string, mend: string) =>
    new LanyardError('network-invalid', { network, why, mend })
  if (spec.pools.length === 0)
    throw invalid('ipv4 pool is empty', "say the LAN's subnet: --subnet 192.168.8.0/24")
  for (const [i, pool] of spec.pools.entries()) {
    const again = spec.pools.findIndex((other) => samePrefix(other.subnet, pool.subnet))
    if (again < i)
      throw invalid('multiple overlapping subnet configuration is not supported', 'say it once')
  }
}

async function draftNetwork(context: Context, spec: NetworkSpec): Promise<Draft> {
  const { view, host, random, store } = context
  const id = hexOf(random(32))
  const there = await view.snapshot()
  const joined = await joinedNetworks(store, context.self?.id)
  const others = joined.filter((other) => other.name !== spec.name)
  const wish = { ...spec, id, parent: await linkOf(context, spec.parent) }
  const made = planParent(wish, { netns: [there] }, host, others)
  const link = there.links.find((one) => one.name === made.parentLink)
  const draft: NetworkRecord = {
    ...spec,
    ...(made.portVlan === undefined ? {} : { vlan: made.portVlan }),
    id,
    internal: spec.internal || spec.parent === undefined,
    segment: spec.segment ?? segmentOf(made, link),
    parentLink: made.parentLink,
    parentOwned: made.parentOwned,
    parentMac: link?.address,
    createdAt: new Date(context.now()).toISOString(),
    phase: 'ready',
    joined: true,
  }
  const segment = await segmentFor(context, draft, spec.segment !== undefined)
  const network = { ...draft, segment }
  const base = made.plan.flatMap((op) =>
    op.do === 'link.add' && op.spec.kind === 'vlan' ? [op.spec.parent] : [],
  )[0]
  const settings = planSettings(spec, chainOf(there.links, base ?? made.parentLink), host)
  // A parent that is made now has no address of the host yet.
  const child = made.plan.length > 0 ? [] : await planHostChild(context, network)
  return { network, plan: [...settings, ...made.plan, ...child] }
}

/** A VLAN is one segment under whatever name; a bridge's VLANs are segments of their own. */
function segmentOf(made: ParentPlan, link: LinkSnapshot | undefined): string {
  if (made.portVlan !== undefined) return `${made.parentLink}.${made.portVlan}`
  const base = link?.parent?.name
  return link?.vlan === undefined || base === undefined
    ? made.parentLink
    : `${base}.${link.vlan.id}`
}

/** The same request again is answered the same; another one is refused, naming what differs. */
export function sameNetwork(known: NetworkRecord, spec: NetworkSpec): NetworkRecord {
  const differs = differenceOf(known, spec)
  if (differs === undefined) return known
  throw new LanyardError('network-exists', { network: spec.name, differs })
}

function differenceOf(known: NetworkRecord, spec: NetworkSpec): string | undefined {
  if (known.kind !== spec.kind) return 'kind'
  if (known.parent !== spec.parent) return 'parent'
  if ((known.macvlanMode ?? 'bridge') !== (spec.macvlanMode ?? 'bridge')) return 'mode'
  if ((known.ipvlanMode ?? 'l2') !== (spec.ipvlanMode ?? 'l2')) return 'mode'
  if ((known.ipvlanFlag ?? 'bridge') !== (spec.ipvlanFlag ?? 'bridge')) return 'flag'
  if (known.mtu !== spec.mtu) return 'MTU'
  if (known.parentMtu !== spec.parentMtu) return "parent's MTU"
  if (known.parentPromisc !== spec.parentPromisc) return 'promiscuous parent'
  if (known.attach !== spec.attach) return 'attachment'
  if (known.hostAccess !== spec.hostAccess) return 'host access'
  const ours = poolsText(known)
  return ours === poolsText(spec) ? undefined : 'subnet, range or gateway'
}

function poolsText(spec: NetworkSpec): string {
  const ip = (value: Ip | undefined) => (value === undefined ? '-' : formatIp(value))
  return spec.pools
    .map(
      ({ subnet, range, gateway, exclude }) =>
        `${ip(subnet.address)}/${subnet.length} ${ip(range?.first)} ${ip(range?.last)} ${ip(gateway)} ${exclude
          .map((e) => ip(e.address))
          .join()}`,
    )
    .join('\n')
}

/** The record without what only the engine wants to know. */
export function publicNetwork(record: NetworkRecord): Network {
  const { parentMac: _mac, phase: _phase, joined: _joined, ownLabels, ...network } = record
  return { ...network, labels: { ...network.labels, ...ownLabels } }
}

/** @throws LanyardError `network-missing` */
export async function getNetwork(context: Context, name: string): Promise<NetworkRecord> {
  const known = await findNetwork(context.store, name, context.self?.id)
  if (known?.phase === 'ready') return known
  throw await missingNetwork(context.store, name)
}
