/** Candidates about routes: a gateway, an on-link route, the way through somebody who forwards. */
import type { Ip, Prefix } from '../addr/ip.ts'
import { formatIp } from '../addr/ip.ts'
import { contains, hostPrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import type { AddressSnapshot } from '../fabric/snapshot.ts'
import { passed } from './edit-ip.ts'
import type { Edit, Failure, Maker } from './edit.ts'

/** More on one subnet are not all tried. */
const GATEWAYS = 3

interface Router {
  readonly netns: string
  readonly ip: Ip
  /** 0 forwards already, 1 somebody's gateway, 2 on several subnets, 3 a machine of its own. */
  readonly rank: number
}

/** Who on a namespace's subnets could forward for it, the likeliest first. */
function routersFor({ scene, family }: Failure, netns: string, rank: number): Router[] {
  const own = scene.addresses(netns, family)
  const gateways = new Set(scene.snapshot.netns.flatMap((n) => n.routes.map((r) => r.via)))
  const all = scene.snapshot.netns.flatMap((n): Router[] => {
    if (n.name === netns) return []
    const mine = scene.addresses(n.name, family)
    const several = mine.length > 1 ? 2 : 3
    return mine
      .filter((a) => own.some((o) => contains(o.address, a.address.address)))
      .map((a) => {
        const ip = a.address.address
        const known = gateways.has(ip) ? 1 : several
        return { netns: n.name, ip, rank: scene.forwards(n.name, family) ? 0 : known }
      })
  })
  return all
    .filter((r) => r.rank <= rank)
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, GATEWAYS)
}

const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: 0, length: 0 },
  6: { address: 0n, length: 0 },
}

/** A default route where there is none, or where it leads to nobody. */
export const gatewayEdits: Maker = (failure) => {
  const { scene, family, name } = failure
  return passed(failure).flatMap((netns) => {
    if (scene.addresses(netns, family).length === 0) return []
    const present = scene
      .netns(netns)
      ?.routes.find(
        (r) =>
          r.to.length === 0 &&
          r.type === 'unicast' &&
          typeof r.to.address === typeof DEFAULT[family].address,
      )
    return routersFor(failure, netns, 2)
      .filter((r) => r.ip !== present?.via)
      .map((router): Edit => {
        const route = { netns, to: DEFAULT[family], via: router.ip }
        const drop: Op[] =
          present === undefined || present.link === undefined
            ? []
            : [
                {
                  do: 'route.del',
                  netns,
                  to: present.to,
                  ...(present.via === undefined ? {} : { via: present.via }),
                },
              ]
        return {
          title: `default route of ${name(netns)} via ${formatIp(router.ip)} (${name(router.netns)})`,
          cost: 1 + drop.length,
          plan: [...drop, { do: 'route.add', ...route }],
        }
      })
  })
}

/** Both ends on one wire, on different subnets: each says the other is there. */
export const onLinkEdits: Maker = (failure) => {
  const { scene, question, family, name } = failure
  const { from, to, target } = question
  const mine = scene.addresses(from, family)
  const theirs = scene.addresses(to, family)
  const [own] = mine
  const other = theirs.find((a) => a.address.address === target) ?? theirs[0]
  if (to === undefined || own === undefined || other === undefined) return []
  const there = onLink(from, own.link, target)
  const back = onLink(to, other.link, own.address.address)
  const covered = (list: readonly AddressSnapshot[], ip: Ip) =>
    list.some((a) => contains(a.address, ip))
  const missing = [
    ...(covered(mine, target) ? [] : [there]),
    ...(covered(theirs, own.address.address) ? [] : [back]),
  ]
  if (missing.length === 0) return []
  const names = missing.map((op) => name(op.netns)).join(' and ')
  const title = `a route on the link itself at ${names}`
  const both: Edit = { title, cost: missing.length, plan: missing }
  const single = missing.map(
    (op): Edit => ({
      title: `a route on the link itself at ${name(op.netns)}`,
      cost: 1,
      plan: [op],
    }),
  )
  return missing.length > 1 ? [...single, both] : [both]
}

function onLink(netns: string, link: string, ip: Ip) {
  return { do: 'route.add', netns, to: hostPrefix(ip), link } as const
}

/**
 * Neighbours that may not speak to each other (private siblings, isolated ports) can by way of a
 * router: each has a route to the other through it.
 */
export const detourEdits: Maker = (failure) => {
  const { scene, question, family, name } = failure
  const { from, to, target } = question
  const own = scene.addressTowards(from, target)?.address.address
  if (to === undefined || own === undefined) return []
  const neighbours = new Set(
    [from, to].flatMap((end) =>
      scene.childLinks(end).flatMap((link) => scene.parentOf(link)?.netns ?? []),
    ),
  )
  const back = routersFor(failure, to, 3)
  const routers = routersFor(failure, from, 3)
  // Of machines that are no routers yet the first will do.
  const first = routers.findIndex((r) => r.rank === 3 && !neighbours.has(r.netns))
  const few = routers.filter((r, i) => r.rank < 3 || i === first)
  return few.flatMap((router): Edit[] => {
    if (router.netns === to || router.netns === from || neighbours.has(router.netns)) return []
    // Children are no routers: they would have to be made into one.
    if (router.rank === 3 && scene.childLinks(router.netns).length > 0) return []
    if (!back.some((r) => r.ip === router.ip)) return []
    const key = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
    const forward: Op[] = scene.forwards(router.netns, family)
      ? []
      : [{ do: 'sysctl.set', netns: router.netns, key, value: '1' }]
    return [
      {
        title: `routes to each other via ${formatIp(router.ip)} (${name(router.netns)})`,
        cost: 2 + forward.length,
        plan: [
          { do: 'route.add', netns: from, to: hostPrefix(target), via: router.ip },
          { do: 'route.add', netns: to, to: hostPrefix(own), via: router.ip },
          ...forward,
        ],
      },
    ]
  })
}

/** Routes that say no. */
export const barrierEdits: Maker = (failure) => {
  const { scene, question, name } = failure
  const ips = [
    question.target,
    scene.addressTowards(question.from, question.target)?.address.address,
  ]
  return passed(failure).flatMap((netns) =>
    (scene.netns(netns)?.routes ?? [])
      .filter((r) => ['unreachable', 'blackhole', 'prohibit'].includes(r.type) && r.table === 254)
      .filter((r) => ips.some((ip) => ip !== undefined && contains(r.to, ip)))
      .map(
        (r): Edit => ({
          title: `without the ${r.type} route of ${name(netns)}`,
          cost: 1,
          plan: [
            {
              do: 'route.del',
              netns,
              to: r.to,
              type: r.type as 'unreachable' | 'blackhole' | 'prohibit',
              metric: r.metric,
            },
          ],
        }),
      ),
  )
}
