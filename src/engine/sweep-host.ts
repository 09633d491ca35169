/** The host's children and their routes. */
import { bitsOf, formatIp, type Ip, isLinkLocalIp } from '../addr/ip.ts'
import { hostAlias, hostLinkName, isOurs } from '../driver/names.ts'
import type { Op } from '../fabric/plan.ts'
import type { RouteSnapshot } from '../fabric/snapshot.ts'
import { applyGently, wantsHostAccess } from './context.ts'
import { ensureHostChild, planHostWays } from './host-access.ts'
import type { NetworkRecord } from './records.ts'
import type { Desired, Sweep } from './walk.ts'

const GONE = ['ENODEV', 'ENOENT', 'ESRCH'] as const

export async function sweepHost(walk: Sweep, desired: Desired): Promise<void> {
  const wanted = desired.networks.filter(wantsHostAccess)
  await dropStrangers(walk, wanted)
  for (const network of wanted) await sweepChild(walk, network)
}

/** Children on parents that want none, or that have another name now. */
async function dropStrangers(walk: Sweep, wanted: readonly NetworkRecord[]): Promise<void> {
  const { context } = walk
  const aliases = new Set(wanted.map((network) => hostAlias(network.parentLink)))
  const { links } = await context.view.snapshot()
  for (const { name, alias, ...link } of links) {
    if (alias?.startsWith('lanyard:host:') !== true || aliases.has(alias)) continue
    if (!isOurs({ name, alias, ...link })) continue
    const fix = async () => {
      context.lan.forget(name)
      await context.fabric.apply([{ do: 'link.del', netns: context.host, name }])
      context.view.forget()
    }
    await walk.found({ network: '' }, `link ${name} serves no network`, { how: 'removed', fix })
  }
}

async function sweepChild(walk: Sweep, network: NetworkRecord): Promise<void> {
  const { context } = walk
  const { view } = context
  const at = { network: network.name }
  const parent = await view.link(network.parentLink)
  if (parent === undefined || (await view.own(parent.name)).length === 0) return
  const name = hostLinkName(parent.name)
  const child = await view.link(name)
  if (child === undefined) {
    const fix = () => ensureHostChild(context, network)
    await walk.found(at, `the host's link ${name} is missing`, { how: 'made again', fix })
    return
  }
  const ops: Op[] = []
  const key = `net.ipv4.conf.${name.replaceAll('.', '/')}.arp_filter`
  const filter = (await view.snapshot()).sysctls[key]
  if (filter !== undefined && filter !== '1')
    ops.push({ do: 'sysctl.set', netns: context.host, key, value: '1' })
  if (!child.up) ops.push({ do: 'link.set', netns: context.host, name, up: true })
  if (ops.length === 0) return
  const fix = async () => {
    await context.fabric.apply(ops)
    view.forget()
  }
  await walk.found(at, `the host's link ${name} is not as it was made`, { how: 'set right', fix })
}

/** Routes over the host's children, against those the endpoints need. */
export async function sweepRoutes(walk: Sweep, desired: Desired): Promise<void> {
  const { context } = walk
  const there = (await context.view.snapshot()).routes
  const known = new Map<string, RouteSnapshot>()
  for (const route of there) if (isEndpointRoute(route)) known.set(routeKey(route), route)
  for (const endpoint of desired.endpoints) {
    const network = desired.networks.find((one) => one.name === endpoint.network)
    if (network === undefined || !wantsHostAccess(network)) continue
    const missing: Op[] = []
    for (const op of await planHostWays(context, network, endpoint)) {
      if (op.do !== 'route.replace') continue
      const key = routeKey(op)
      const route = known.get(key)
      known.delete(key)
      if (route?.source !== op.source) missing.push(op)
    }
    if (missing.length === 0) continue
    const at = { network: network.name, endpoint: endpoint.name }
    const fix = () => context.fabric.apply(missing)
    await walk.found(at, 'the host has no route to it', { how: 'routed again', fix })
  }
  const ours = new Set(desired.networks.map((one) => hostLinkName(one.parentLink)))
  for (const route of known.values()) {
    const { link, to } = route
    if (link === undefined || !ours.has(link)) continue
    const what = `the host's route to ${formatIp(to.address)} leads to no endpoint`
    const at = { netns: context.host, link } as const
    const away: Op[] = [
      { do: 'neighbour.del', ...at, ip: to.address },
      { do: 'route.del', ...at, to },
    ]
    const fix = () => applyGently(context, away, GONE)
    await walk.found({ network: '' }, what, { how: 'removed', fix })
  }
}

function isEndpointRoute(route: RouteSnapshot): boolean {
  const { address, length } = route.to
  return (
    route.table === 254 &&
    route.type === 'unicast' &&
    length === bitsOf(address) &&
    route.link?.startsWith('ly-') === true &&
    !isLinkLocalIp(address)
  )
}

function routeKey(route: {
  readonly to: { readonly address: Ip }
  readonly link?: string | undefined
}): string {
  return `${route.link ?? ''} ${formatIp(route.to.address)}`
}
