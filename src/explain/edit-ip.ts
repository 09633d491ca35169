/** Candidates about addresses and the settings of the protocol stack. */
import type { Ip, Prefix } from '../addr/ip.ts'
import { formatIp } from '../addr/ip.ts'
import { contains, formatPrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import { endsOf, freeAddress } from './edit-child.ts'
import { type Edit, type Failure, keyOf, type Maker } from './edit.ts'
import { familyIs as isOf, type Owner } from './scene.ts'

/** Namespaces the exchange passed, where it ended first. */
export function passed({ at, visited, question }: Failure): string[] {
  const ends = [question.from, ...(question.to === undefined ? [] : [question.to])]
  const all = [...(at === undefined ? [] : [at.netns]), ...ends, ...visited.map((v) => v.netns)]
  return [...new Set(all)]
}

function set(netns: string, key: string, value: string): Op {
  return { do: 'sysctl.set', netns, key, value }
}

/** Forwarding where the exchange passed, and at the ends: people try it there. */
export const forwardEdits: Maker = (failure) => {
  const { scene, family, name } = failure
  const key = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
  const hosts = [...passed(failure), ...parentsOf(failure)]
  return [...new Set(hosts)]
    .filter((netns) => !scene.forwards(netns, family) && scene.addresses(netns, family).length > 0)
    .map(
      (netns): Edit => ({
        title: `${family === 4 ? 'ip_forward' : 'forwarding'} on at ${name(netns)}`,
        cost: 1,
        popular: 'forward',
        plan: [set(netns, key, '1')],
      }),
    )
}

/** Hosts on whose links the ends sit. */
function parentsOf(failure: Failure): string[] {
  const { scene } = failure
  return endsOf(failure).flatMap((netns) =>
    scene.childLinks(netns).flatMap((link) => scene.parentOf(link)?.netns ?? []),
  )
}

/** Settings that swallow packets without a word, each with the value that does not. */
const QUIET: readonly {
  readonly leaf: string
  readonly value: string
  readonly family: 4 | 6
  /** The larger of `all` and the link's own counts, so both must be lowered. */
  readonly all: boolean
  readonly only?: readonly string[]
}[] = [
  { leaf: 'rp_filter', value: '2', family: 4, all: false, only: ['RP_FILTER'] },
  { leaf: 'rp_filter', value: '0', family: 4, all: true, only: ['RP_FILTER'] },
  { leaf: 'arp_ignore', value: '0', family: 4, all: true },
  { leaf: 'arp_filter', value: '0', family: 4, all: true },
  { leaf: 'disable_ipv6', value: '0', family: 6, all: true },
]

export const settingEdits: Maker = (failure) => {
  const { scene, family, name, code } = failure
  return passed(failure).flatMap((netns) => {
    const links = (scene.netns(netns)?.links ?? []).filter((l) => l.kind !== 'loopback')
    const perLink = links.flatMap((link) =>
      QUIET.flatMap(({ leaf, value, family: of, all, only }): Edit[] => {
        if (of !== family || only?.includes(code) === false) return []
        const tree = `net.ipv${of}.conf`
        const keys = [
          `${tree}.${keyOf(link.name)}.${leaf}`,
          ...(all ? [`${tree}.all.${leaf}`] : []),
        ]
        const now = (key: string) => scene.sysctl(netns, key)
        const wrong = keys.filter((key) => {
          const is = now(key)
          return is !== undefined && is !== value && (is !== '0' || value !== '0')
        })
        if (wrong.length === 0) return []
        return [
          {
            title: `${leaf}=${value} at ${name(netns)}:${link.name}`,
            cost: wrong.length,
            plan: wrong.map((key) => set(netns, key, value)),
          },
        ]
      }),
    )
    return [...perLink, ...echoEdits(failure, netns)]
  })
}

function echoEdits({ scene, family, name }: Failure, netns: string): Edit[] {
  const key = family === 4 ? 'net.ipv4.icmp_echo_ignore_all' : 'net.ipv6.icmp.echo_ignore_all'
  if ((scene.sysctl(netns, key) ?? '0') === '0') return []
  return [{ title: `answers to pings at ${name(netns)}`, cost: 1, plan: [set(netns, key, '0')] }]
}

/** Prefix lengths that disagree, addresses that are there twice. */
export const addressEdits: Maker = (failure) => {
  const { scene, question, family, name } = failure
  const { from, to, target } = question
  const lengths =
    to === undefined
      ? []
      : [
          [from, to],
          [to, from],
        ].flatMap(([mine, other]): Edit[] =>
          scene.addresses(mine, family).flatMap((a) =>
            scene.addresses(other, family).flatMap((b): Edit[] => {
              const same = a.address.length === b.address.length
              if (same || !contains(b.address, a.address.address)) return []
              const wanted: Prefix = { address: a.address.address, length: b.address.length }
              return [
                {
                  title: `${formatPrefix(wanted)} at ${name(mine as string)} in place of /${a.address.length}`,
                  cost: 1,
                  plan: changeAddress(mine as string, a.link, a.address, wanted),
                },
              ]
            }),
          ),
        )
  const own = ownAddress(failure)
  return [
    ...lengths,
    ...twinEdits(failure, target),
    ...twinEdits(failure, own),
    ...renumberEdits(failure, own),
    ...tentativeEdits(failure),
  ]
}

function ownAddress({ scene, question }: Failure): Ip | undefined {
  return scene.addressTowards(question.from, question.target)?.address.address
}

/** The new one first: routes that lead over it stay. */
function changeAddress(netns: string, link: string, from: Prefix, to: Prefix): Op[] {
  const nodad = typeof to.address === 'bigint' ? { nodad: true } : {}
  return [
    { do: 'address.add', netns, link, address: to, ...nodad },
    { do: 'address.del', netns, link, address: from },
  ]
}

function twinEdits({ scene, question, name }: Failure, ip: Ip | undefined): Edit[] {
  if (ip === undefined) return []
  const owners = scene.owners(ip)
  if (owners.length < 2) return []
  // The one asked keeps the address it is asked by, the one who asks keeps one.
  const mine = (netns: string) =>
    netns === question.from || (netns === question.to && ip === question.target)
  return owners
    .filter((o) => !mine(o.netns))
    .map(
      (o): Edit => ({
        title: `${formatIp(ip)} no longer at ${name(o.netns)}:${o.link} too`,
        cost: 1,
        plan: [{ do: 'address.del', netns: o.netns, link: o.link, address: o.address }],
      }),
    )
}

/** The one who asks gets an address that nobody has, in place of one that is there twice. */
function renumberEdits(failure: Failure, ip: Ip | undefined): Edit[] {
  const { scene, question, name } = failure
  const owners = ip === undefined ? [] : scene.owners(ip)
  const mine = owners.find((o) => o.netns === question.from)
  if (mine === undefined || owners.length < 2) return []
  const { netns, link, address } = mine
  const free = freeAddress(failure, address.address)
  const beside = scene
    .netns(netns)
    ?.addresses.filter((a) => a.link === link && contains(address, a.address.address))
  // With the first address of a subnet the kernel takes the others.
  if (free === undefined || beside?.length !== 1) return []
  const wanted: Prefix = { address: free, length: address.length }
  return [
    {
      title: `${formatIp(free)} at ${name(netns)} in place of ${formatIp(address.address)}`,
      cost: 1,
      plan: renumberOps(failure, mine, address, wanted),
      undo: renumberOps(failure, mine, wanted, address),
    },
  ]
}

/** The old one first, or the new one would go with it; then the routes that went with the last. */
function renumberOps(
  { scene, family }: Failure,
  { netns, link }: Owner,
  from: Prefix,
  to: Prefix,
): Op[] {
  const routes = (scene.netns(netns)?.routes ?? []).filter(
    (r) => r.link === link && r.protocol !== 'kernel' && r.type === 'unicast' && isOf(r.to, family),
  )
  return [
    { do: 'address.del', netns, link, address: from },
    { do: 'address.add', netns, link, address: to, ...(family === 6 ? { nodad: true } : {}) },
    ...routes.map(
      (r): Op => ({
        do: 'route.replace',
        netns,
        to: r.to,
        link,
        ...(r.via === undefined ? {} : { via: r.via }),
      }),
    ),
  ]
}

/** An address that was found taken stays refused, also when the other one has gone. */
function tentativeEdits({ scene, question, code, name }: Failure): Edit[] {
  if (code !== 'ND_TENTATIVE' || question.to === undefined) return []
  return scene
    .owners(question.target)
    .filter((o) => o.netns === question.to)
    .map(({ netns, link, address }): Edit => {
      const of = { netns, link, address }
      const gone: Op = { do: 'address.del', ...of }
      return {
        title: `${formatIp(address.address)} tried once more at ${name(netns)}:${link}`,
        cost: 1,
        plan: [gone, { do: 'address.add', ...of }],
        // What was refused cannot be made so again: it is as good as not there.
        undo: [gone],
      }
    })
}
