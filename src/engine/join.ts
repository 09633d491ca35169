/**
 * A network that another host made comes to this one: its parent here is found (or made), and
 * remembered beside the network. Which link that is may be said by name, by MAC, by a label of the
 * host, or as the one the default route leaves by.
 */
import { formatMac } from '../addr/mac.ts'
import { contains } from '../addr/prefix.ts'
import { planParent } from '../driver/parent.ts'
import { LanyardError } from '../errors.ts'
import { type Context, lanLink } from './context.ts'
import { planHostChild } from './host-access.ts'
import { applyGuarded } from './guard.ts'
import { checkSpec, createNetwork, getNetwork, publicNetwork, sameNetwork } from './network.ts'
import { findNetwork, joinedNetworks, type NetworkRecord, putParent, write } from './records.ts'
import { explainRefusal } from './refusal.ts'
import { linkOf } from './parent-of.ts'
import type { Network, NetworkSpec } from './types.ts'

/** Endpoints elsewhere that are asked whether they hear us. */
const ASKED = 4

/**
 * The network as it is on this host; on one that has not met it yet its parent is made ready first.
 * Repeatable. A crash leaves links with our marks, which the next reconcile removes, or all of it.
 *
 * @param here which link it hangs on here, default as where it was made; labels of this host's own
 * @throws LanyardError `network-missing`, `parent-missing`, `parent-unmapped`, and what planParent
 * says
 */
export async function joinNetwork(
  context: Context,
  name: string,
  here: Pick<NetworkSpec, 'parent' | 'ownLabels'> = { parent: undefined },
): Promise<NetworkRecord> {
  const { parent, ownLabels } = here
  const known = await getNetwork(context, name)
  if (context.self === undefined || known.joined) return known
  return await context.locks.run({ alone: [`join/${name}`] }, async () => {
    const again = await getNetwork(context, name)
    if (again.joined) return again
    const own = ownLabels === undefined ? {} : { ownLabels }
    return await join(context, { ...again, ...own, parent: parent ?? again.parent })
  })
}

/**
 * Makes a network, or where another host has made it, joins it: what is new then is only which link
 * it hangs on here.
 */
export async function makeNetwork(context: Context, spec: NetworkSpec): Promise<Network> {
  checkSpec(spec)
  const known = await findNetwork(context.store, spec.name, context.self?.id)
  if (known?.phase !== 'ready' || known.joined)
    try {
      return await createNetwork(context, spec)
    } catch (error) {
      if (!wasFaster(error)) throw error
      return await makeNetwork(context, spec)
    }
  sameNetwork(known, { ...spec, parent: known.parent })
  return publicNetwork(await joinNetwork(context, spec.name, spec))
}

/** Another host has made it while this one was about to. */
const wasFaster = (error: unknown): boolean =>
  error instanceof LanyardError &&
  error.code === 'network-exists' &&
  (error.detail as { readonly differs: string }).differs === 'maker'

async function join(context: Context, known: NetworkRecord): Promise<NetworkRecord> {
  const { view, host, self, store } = context
  const there = await view.snapshot()
  const others = await joinedNetworks(store, self?.id)
  const wish = { ...known, parent: await linkOf(context, known.parent) }
  const made = tryPlan(wish, () => planParent(wish, { netns: [there] }, host, others))
  const link = there.links.find((one) => one.name === made.parentLink)
  const network: NetworkRecord = {
    ...known,
    parentLink: made.parentLink,
    parentOwned: made.parentOwned,
    parentMac: link?.address,
    joined: true,
  }
  const child = made.plan.length > 0 ? [] : await planHostChild(context, network)
  const plan = [...made.plan, ...child]
  try {
    await applyGuarded(context, network, plan)
  } catch (error) {
    throw await explainRefusal(context, network, plan, error)
  }
  await write(store, putParent(network, self?.id))
  const detail = `joined on ${network.parentLink}`
  context.emit({ what: 'network-created', network: network.name, endpoint: undefined, detail })
  context.background.start(() => checkSameLan(context, network))
  return network
}

function tryPlan<T>(network: NetworkRecord, plan: () => T): T {
  try {
    return plan()
  } catch (error) {
    if (!(error instanceof LanyardError) || error.code !== 'parent-missing') throw error
    const { name, parent = '' } = network
    throw new LanyardError('parent-unmapped', { network: name, parent }, { cause: error })
  }
}

/** Asks endpoints of other hosts over the wire: nobody answers from another LAN. */
async function checkSameLan(context: Context, network: NetworkRecord): Promise<void> {
  const { addresses, self, lan, emit } = context
  const link = await lanLink(context, network)
  if (link === undefined || self === undefined) return
  const held = await addresses.leases(network.segment)
  const elsewhere = held.filter(
    (one) =>
      one.kind === 'endpoint' &&
      one.host !== undefined &&
      one.host !== self.name &&
      network.pools.some(({ subnet }) => contains(subnet, one.address)),
  )
  const asked = elsewhere.slice(0, ASKED)
  if (asked.length === 0) return
  const answers = await Promise.all(asked.map((one) => lan.whoHas(link, one.address)))
  for (const [i, mac] of answers.entries())
    if (mac !== undefined) {
      const detail = `${link.name} is on the LAN of its other hosts: ${asked[i]?.holder ?? ''} answers as ${formatMac(mac)}`
      emit({ what: 'healed', network: network.name, endpoint: undefined, detail })
      return
    }
  const names = asked.map((one) => `${one.holder} on ${one.host ?? ''}`).join(', ')
  const detail = `${network.parentLink} may not be on the LAN of its other hosts: none of ${names} answers`
  emit({ what: 'drift', network: network.name, endpoint: undefined, detail })
}
