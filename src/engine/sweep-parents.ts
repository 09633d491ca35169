/** Parents: made again where they were ours, found again where renamed, else waited for. */
import { formatMac } from '../addr/mac.ts'
import { planParent } from '../driver/parent.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { findByMac } from './parent-of.ts'
import { applySettings, inspectSettings } from './parent-settings.ts'
import { joinedNetworks, type NetworkRecord, putParent, write } from './records.ts'
import type { Desired, Sweep } from './walk.ts'

export async function sweepParents(walk: Sweep, desired: Desired): Promise<void> {
  const { context } = walk
  for (const network of desired.networks) {
    const link = await context.view.link(network.parentLink)
    if (link === undefined) await findAgain(walk, network)
    else await lookAt(walk, network, link)
  }
}

async function lookAt(walk: Sweep, network: NetworkRecord, link: LinkSnapshot): Promise<void> {
  const { context } = walk
  const at = { network: network.name }
  const parent = network.parentLink
  if (network.parentMac !== link.address) {
    // A card was exchanged, or the VLAN made after the record: remember what to look for.
    await write(context.store, putParent({ ...network, parentMac: link.address }, context.self?.id))
  }
  await lookAtSettings(walk, network)
  if (!link.up) {
    const fix = () => setUp(context, parent)
    const mend = network.parentOwned ? { how: 'set up', fix } : undefined
    await walk.found(at, `parent ${parent} is down`, mend)
  } else if (!link.carrier) await walk.found(at, `parent ${parent} has no carrier`)
}

/** A reboot, or somebody by hand, took back what the network asks of its parent. */
async function lookAtSettings(walk: Sweep, network: NetworkRecord): Promise<void> {
  const { context } = walk
  const { links } = await context.view.snapshot()
  const found = inspectSettings(network, links, context.host)
  if (found === undefined) return
  const fix = () => applySettings(context, network, found.plan)
  await walk.found({ network: network.name }, found.what, { how: 'set', fix })
}

async function setUp(context: Context, name: string): Promise<void> {
  await context.fabric.apply([{ do: 'link.set', netns: context.host, name, up: true }])
  context.view.forget()
}

async function findAgain(walk: Sweep, network: NetworkRecord): Promise<void> {
  const { context } = walk
  const { view } = context
  const at = { network: network.name }
  const what = `parent ${network.parentLink} is missing`
  if (network.parentOwned) {
    await walk.found(at, what, { how: 'made again', fix: () => makeAgain(context, network) })
    return
  }
  const { links } = await view.snapshot()
  const renamed = findByMac(links, network.parentMac)
  if (renamed === undefined || network.parentMac === undefined) {
    await walk.found(at, what)
    return
  }
  const mac = formatMac(network.parentMac)
  const how = `found again by its MAC ${mac} as ${renamed.name}`
  const parent = { ...network, parentLink: renamed.name }
  const fix = () => write(context.store, putParent(parent, context.self?.id))
  await walk.found(at, what, { how, fix })
}

async function makeAgain(context: Context, network: NetworkRecord): Promise<void> {
  const { view, host, fabric } = context
  const there = await view.snapshot()
  const joined = await joinedNetworks(context.store, context.self?.id)
  const others = joined.filter((one) => one.name !== network.name)
  const { plan } = planParent(network, { netns: [there] }, host, others)
  await fabric.apply(plan)
  view.forget()
}
