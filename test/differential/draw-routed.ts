/** Draws routed worlds: two subnets on one switch, a router between them, and its settings. */
import type { Op } from '../../src/fabric/plan.ts'
import { cableOps, childOps, switchOps } from '../lan.ts'
import { drawFilters } from './draw-filters.ts'
import {
  addNetns,
  anyOf,
  chance,
  type Draft,
  ip4,
  ip6,
  mac,
  pick,
  subnetAddress,
  up,
} from './draft.ts'

const SUBNETS = [9, 8] as const
/** The router's address in a subnet ends in this. */
const GATEWAY = 254

/** A routed world whose hosts and router filter and translate. */
export function drawFiltered(draft: Draft): void {
  drawRouted(draft)
  const [, router = ''] = draft.netns
  // With a leg each in one LAN both would answer for either address: whoever is quicker.
  const key = 'net.ipv4.conf.all.arp_ignore'
  draft.plan.push({ do: 'sysctl.set', netns: router, key, value: '1' })
  const others = [...draft.hosts, ...draft.children].map(({ netns }) => netns)
  drawFilters(draft, [router, router, router, ...others], ['eth0', 'eth1', 'm0'])
}

export function drawRouted(draft: Draft): void {
  const sw = addNetns(draft, 'sw')
  draft.plan.push(...switchOps(sw, mac(draft)))
  const router = addNetns(draft, 'r')
  settings(draft, router, chance(draft, 0.9))
  // Both subnets by one leg, as on a router behind a single port, or by a leg each.
  const oneLeg = chance(draft, 0.4)
  const legs = oneLeg ? ['eth0', 'eth0'] : ['eth0', 'eth1']
  for (const [number, leg] of [...new Set(legs)].entries()) cable(draft, sw, router, leg, number)
  for (const [number, subnet] of SUBNETS.entries()) gateway(draft, router, legs[number], subnet)
  for (const leg of new Set(legs)) up(draft, router, leg, 1)
  const hosts = 2 + draft.random.below(2)
  for (let i = 0; i < hosts; i++) drawHost(draft, sw, SUBNETS[i % 2] as number)
  const changes = draft.random.below(4)
  for (let i = 0; i < changes; i++) drawChange(draft, router, legs)
}

/** What is said so that no clock decides: error rates are not limited, redirects teach nobody. */
export function settings(draft: Draft, netns: string, forward: boolean): void {
  const say: [string, string][] = [
    ['net.ipv4.icmp_ratelimit', '0'],
    ['net.ipv4.conf.all.send_redirects', '0'],
    ['net.ipv4.conf.default.send_redirects', '0'],
    ['net.ipv4.ip_forward', forward ? '1' : '0'],
  ]
  if (draft.ip6) {
    say.push(['net.ipv6.icmp.ratelimit', '0'])
    say.push(['net.ipv6.conf.all.accept_redirects', '0'])
    say.push(['net.ipv6.conf.default.accept_redirects', '0'])
    if (forward) say.push(['net.ipv6.conf.all.forwarding', '1'])
  }
  for (const [key, value] of say) draft.plan.push({ do: 'sysctl.set', netns, key, value })
}

function cable(draft: Draft, sw: string, netns: string, link: string, number: number): void {
  const port = `q${number}`
  const [portMac, own] = [mac(draft), mac(draft)]
  const [add, ...rest] = cableOps({ sw, port, portMac, netns, mac: own })
  if (add?.do === 'link.add' && add.spec.kind === 'veth') {
    const spec = { ...add.spec, peer: { ...add.spec.peer, name: link } }
    draft.plan.push({ ...add, spec }, ...rest)
  }
}

function gateway(draft: Draft, netns: string, link = 'eth0', subnet = 9): void {
  const prefix = { address: ip4(subnet, GATEWAY), length: 24 }
  draft.plan.push({ do: 'address.add', netns, link, address: prefix })
  if (!draft.ip6) return
  const six = { address: ip6(subnet, GATEWAY), length: 64 }
  draft.plan.push({ do: 'address.add', netns, link, address: six, nodad: true })
}

function drawHost(draft: Draft, sw: string, subnet: number): void {
  const number = draft.hosts.length + 1
  const netns = addNetns(draft, `h${number}`)
  settings(draft, netns, false)
  const port = `p${number}`
  const macs = { portMac: mac(draft), mac: mac(draft) }
  draft.plan.push(...cableOps({ sw, port, netns, ...macs }))
  if (chance(draft, 0.3))
    draft.plan.push({ do: 'link.set', netns: sw, name: port, port: { hairpin: true } })
  subnetAddress(draft, netns, 'eth0', subnet)
  up(draft, netns, 'eth0', 1)
  routes(draft, netns, 'eth0', subnet)
  draft.hosts.push({ netns, port })
  const children = draft.random.below(3)
  for (let i = 0; i < children; i++) drawChild(draft, netns)
}

/** A container in either subnet, whatever its host is in. */
function drawChild(draft: Draft, host: string): void {
  const netns = addNetns(draft, `c${draft.children.length + 1}`)
  settings(draft, netns, false)
  const subnet = pick(draft, SUBNETS)
  const mode = pick(draft, ['bridge', 'vepa', 'private'] as const)
  draft.plan.push(...childOps({ netns, parentNetns: host, mac: mac(draft), macvlan: { mode } }))
  subnetAddress(draft, netns, 'm0', subnet)
  up(draft, netns, 'm0', 1)
  routes(draft, netns, 'm0', subnet)
  draft.children.push({ netns, host, name: 'm0' })
}

/** By the gateway, by the link alone, or only to the other subnet; some forget it. */
function routes(draft: Draft, netns: string, link: string, subnet: number): void {
  const other = SUBNETS.find((one) => one !== subnet) as number
  const add = (route: Partial<Op>): void => {
    draft.plan.push({ do: 'route.add', netns, to: { address: 0, length: 0 }, ...route } as Op)
  }
  const roll = draft.random.next()
  const rest = { address: ip4(other, 0), length: 24 }
  if (roll < 0.6) add({ via: ip4(subnet, GATEWAY) })
  else if (roll < 0.75) add({ to: rest, via: ip4(subnet, GATEWAY), link, metric: 7 })
  else if (roll < 0.85) add({ to: rest, link })
  if (!draft.ip6 || roll >= 0.85) return
  add({ to: { address: 0n, length: 0 }, via: ip6(subnet, GATEWAY), link })
}

function drawChange(draft: Draft, router: string, legs: readonly string[]): void {
  const leg = pick(draft, legs)
  const conf = (key: string, value: string): void => {
    draft.plan.push({ do: 'sysctl.set', netns: router, key: `net.ipv4.conf.${key}`, value })
  }
  const route = (op: Partial<Op>): void => {
    draft.plan.push({ do: 'route.add', netns: router, ...op } as Op)
  }
  const proxy = (where: string): void => {
    // Otherwise its answers come after a time drawn at random.
    for (const one of new Set(legs)) {
      const key = `net.ipv4.neigh.${one}.proxy_delay`
      draft.plan.push({ do: 'sysctl.set', netns: router, key, value: '0' })
    }
    conf(`${where}.proxy_arp`, '1')
  }
  const all = [...draft.hosts, ...draft.children]
  anyOf(draft, [
    () => conf('all.rp_filter', pick(draft, ['1', '2'])),
    () => conf(`${leg}.rp_filter`, pick(draft, ['1', '2'])),
    () => conf(`${leg}.forwarding`, '0'),
    () => proxy(leg),
    () => proxy('all'),
    () => conf(`${leg}.arp_ignore`, pick(draft, ['1', '2', '8'])),
    () =>
      draft.plan.push({ do: 'sysctl.set', netns: router, key: 'net.ipv4.ip_forward', value: '0' }),
    () =>
      draft.plan.push({
        do: 'sysctl.set',
        netns: pick(draft, all).netns,
        key: 'net.ipv4.ip_default_ttl',
        value: pick(draft, ['1', '2', '128']),
      }),
    () => {
      const type = pick(draft, ['unreachable', 'prohibit', 'blackhole', 'throw'] as const)
      const last = draft.random.below(draft.netns.length + 2)
      route({ to: { address: ip4(pick(draft, SUBNETS), last), length: 32 }, type })
    },
    () => route({ to: { address: 0, length: 0 }, via: ip4(9, 3) }),
    () => route({ to: { address: ip4(7, 0), length: 24 }, via: ip4(6, 1) }),
    () => rule(draft, router),
    () => draft.plan.push({ do: 'link.set', netns: router, name: leg, mtu: 1300 }),
    () => draft.plan.push({ do: 'link.set', netns: router, name: leg, up: false }),
  ])
}

/** One subnet's traffic by a table of its own. */
function rule(draft: Draft, router: string): void {
  const subnet = pick(draft, SUBNETS)
  const from = { address: ip4(subnet, 0), length: 24 }
  const action = pick(draft, ['lookup', 'lookup', 'unreachable', 'prohibit', 'blackhole'] as const)
  draft.plan.push({
    do: 'rule.add',
    netns: router,
    family: 4,
    priority: 100,
    from,
    ...(action === 'lookup' ? { table: 77 } : { action }),
  })
  const to = { address: ip4(pick(draft, SUBNETS), 0), length: 24 }
  draft.plan.push({ do: 'route.add', netns: router, to, type: 'unreachable', table: 77 })
}
