/**
 * What a step's `set` does to the running lab: the difference of two topologies as a {@link Plan}.
 * Some things can be changed while a lab runs, others need another lab; the latter are refused when
 * the file is checked, not when it runs.
 */
import type { Prefix } from '../addr/ip.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { changeFirewall } from './firewall.ts'
import { impairOps } from './impair.ts'
import {
  addressOps,
  BRIDGE,
  type Naming,
  planShim,
  portOps,
  routeOp,
  routesOf,
  type Tag,
  tagOf,
  vlanOps,
} from './plan.ts'
import type { Child, Container, Host, Nic, Route, Switch, Topology } from './topology.ts'

export type Changes =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly sentence: string }

class Unchangeable extends Error {}

/** The plan from one topology to another, or why there is none. */
export function changes(from: Topology, to: Topology, naming: Naming = { prefix: '' }): Changes {
  const ns = (node: string): string => `${naming.prefix}${node}`
  try {
    const plan = [
      ...pairs('switches', from.switches, to.switches).flatMap(([a, b]) =>
        switchOps(a, b, ns(b.name)),
      ),
      ...pairs('hosts', from.hosts, to.hosts).flatMap(([a, b]) =>
        hostOps(a, b, ns(b.name), tagOf(to.lab)),
      ),
      ...pairs('containers', from.containers, to.containers).flatMap(([a, b]) =>
        containerOps(a, b, ns(b.name)),
      ),
    ]
    return { ok: true, plan }
  } catch (error) {
    if (error instanceof Unchangeable) return { ok: false, sentence: error.message }
    throw error
  }
}

/** The same things before and after. */
function pairs<T extends { readonly name: string }>(
  what: string,
  before: readonly T[],
  after: readonly T[],
): [T, T][] {
  const names = (all: readonly T[]): string => all.map((t) => t.name).join(', ')
  if (names(before) !== names(after)) {
    throw new Unchangeable(`a step cannot add or remove ${what}: it changes the ones there are`)
  }
  return after.map((thing, i) => [before[i] as T, thing])
}

function switchOps(a: Switch, b: Switch, netns: string): Op[] {
  const filtering: Op[] =
    a.vlanFiltering === b.vlanFiltering
      ? []
      : [{ do: 'link.set', netns, name: BRIDGE, bridge: { vlanFiltering: b.vlanFiltering } }]
  return [
    ...filtering,
    ...pairs('ports', a.ports, b.ports).flatMap(([before, port]): Op[] => {
      fixed('the cable of a port', before.peer, port.peer)
      if (port.peer === undefined) return []
      const { name } = port
      return [
        ...portOps(port, before, netns),
        ...(b.vlanFiltering ? vlanOps(port, a.vlanFiltering ? before : undefined, netns) : []),
        ...set(before.mtu, port.mtu, () => ({
          do: 'link.set',
          netns,
          name,
          mtu: port.mtu ?? 1500,
        })),
        ...impairOps(before.impair, port.impair, netns, name),
        ...set(before.up, port.up, () => ({ do: 'link.set', netns, name, up: port.up })),
      ]
    }),
  ]
}

function hostOps(a: Host, b: Host, netns: string, tag: Tag): Op[] {
  const key = (shim: Host['shims'][number]) => text({ ...shim, routes: [] })
  const gone = a.shims.filter((s) => !b.shims.some((t) => key(s) === key(t)))
  const come = b.shims.filter((s) => !a.shims.some((t) => key(s) === key(t)))
  const kept = { ...a, shims: a.shims.filter((s) => !gone.includes(s)) }
  fixed(`the VLAN links of host ${b.name}`, a.uppers.map(bare), b.uppers.map(bare))
  return [
    ...nodeOps(a, b, netns),
    ...pairs('nics', a.nics, b.nics).flatMap(([before, nic]) => nicOps(before, nic, netns)),
    ...pairs('links', a.uppers, b.uppers).flatMap(([before, upper]) =>
      upperOps(before, upper, netns),
    ),
    // The routes of a link go with it.
    ...gone.map(({ name }): Op => ({ do: 'link.del', netns, name })),
    ...come.flatMap((shim) => planShim(shim, netns, tag)),
    ...routes(routesOf(kept), routesOf(b), netns),
  ]
}

type Upper = Host['uppers'][number]

const bare = ({ name, parent, id, protocol }: Upper) => ({ name, parent, id, protocol })

function upperOps(a: Upper, b: Upper, netns: string): Op[] {
  const { name } = b
  if (a.mac !== b.mac && b.mac === undefined) {
    throw new Unchangeable(`write the new MAC of ${name}, it cannot just be left out`)
  }
  return [
    ...moveAddresses(a.addresses, b.addresses, netns, name),
    ...set(a.mac, b.mac, () => ({ do: 'link.set', netns, name, address: b.mac ?? 0 })),
    ...set(a.mtu, b.mtu, () => ({ do: 'link.set', netns, name, mtu: b.mtu ?? 1500 })),
    ...set(a.up, b.up, () => ({ do: 'link.set', netns, name, up: b.up })),
  ]
}

function nicOps(a: Nic, b: Nic, netns: string): Op[] {
  const { name } = b
  fixed('the cable of a nic', a.peer, b.peer)
  return [
    ...moveAddresses(a.addresses, b.addresses, netns, name),
    ...set(a.mac, b.mac, () => ({ do: 'link.set', netns, name, address: b.mac })),
    ...set(a.mtu, b.mtu, () => ({ do: 'link.set', netns, name, mtu: b.mtu ?? 1500 })),
    ...set(a.promisc, b.promisc, () => ({ do: 'link.set', netns, name, promisc: b.promisc })),
    ...impairOps(a.impair, b.impair, netns, name),
    ...set(a.up, b.up, () => ({ do: 'link.set', netns, name, up: b.up })),
  ]
}

function containerOps(a: Container, b: Container, netns: string): Op[] {
  fixed(`the host of container ${b.name}`, a.host, b.host)
  return [
    ...nodeOps(a, b, netns),
    ...pairs('networks of a container', a.children, b.children).flatMap(([before, child]) =>
      childOps(before, child, netns),
    ),
    ...routes(a.routes, b.routes, netns),
  ]
}

function childOps(a: Child, b: Child, netns: string): Op[] {
  const { name, kind } = b
  fixed('the network or parent of a container', [a.network, a.parent], [b.network, b.parent])
  fixed('the driver of a network', a.kind.driver, kind.driver)
  const passthru = [a.kind, kind].filter((k) => k.mode === 'passthru').length
  if (passthru === 1)
    throw new Unchangeable('mode passthru cannot be entered or left while a child exists')
  return [
    ...set(a.kind, kind, () =>
      kind.driver === 'macvlan'
        ? { do: 'link.set', netns, name, macvlan: { mode: kind.mode } }
        : { do: 'link.set', netns, name, ipvlan: { mode: kind.mode, flag: kind.flag } },
    ),
    ...moveAddresses(a.addresses, b.addresses, netns, name),
    ...set(a.mac, b.mac, () => ({
      do: 'link.set',
      netns,
      name,
      ...(b.mac === undefined ? {} : { address: b.mac }),
    })),
    ...set(a.promisc, b.promisc, () => ({ do: 'link.set', netns, name, promisc: b.promisc })),
  ]
}

function nodeOps(a: Host | Container, b: Host | Container, netns: string): Op[] {
  const old = new Map(a.sysctls)
  const gone = a.sysctls.find(([key]) => !b.sysctls.some(([k]) => k === key))
  const values = gone === undefined ? b.sysctls : [...b.sysctls, ...unset(a, b)]
  fixed(`the ports that ${b.name} listens on`, a.listen, b.listen)
  return [
    ...(equal(a.firewall, b.firewall)
      ? []
      : changeFirewall(a.firewall, b.firewall).map((op): Op => ({ ...op, netns }))),
    ...set(a.lo, b.lo, () => ({ do: 'link.set', netns, name: 'lo', up: b.lo })),
    ...values
      .filter(([key, value]) => old.get(key) !== value)
      .map(([key, value]): Op => ({ do: 'sysctl.set', netns, key, value })),
  ]
}

/** Only `forward: false` takes a sysctl back: what another was before, the file does not say. */
function unset(a: Host | Container, b: Host | Container): [string, string][] {
  const gone = a.sysctls.filter(([key]) => !b.sysctls.some(([k]) => k === key))
  const other = gone.find(
    ([key]) => !/^net\.ipv4\.ip_forward$|^net\.ipv6\.conf\.all\.forwarding$/.test(key),
  )
  if (other !== undefined)
    throw new Unchangeable(`write the new value of sysctl ${other[0]}, it cannot just be left out`)
  return gone.map(([key]) => [key, '0'])
}

function moveAddresses(
  before: readonly Prefix[],
  after: readonly Prefix[],
  netns: string,
  link: string,
): Op[] {
  const same = (p: Prefix) => (q: Prefix) => p.address === q.address && p.length === q.length
  const gone = before.filter((p) => !after.some(same(p)))
  const come = after.filter((p) => !before.some(same(p)))
  return [
    ...gone.map((address): Op => ({ do: 'address.del', netns, link, address })),
    ...addressOps(come, netns, link),
  ]
}

function routes(before: readonly Route[], after: readonly Route[], netns: string): Op[] {
  const gone = before.filter((r) => !after.some((s) => equal(r, s)))
  const come = after.filter((r) => !before.some((s) => equal(r, s)))
  return [...gone.map((r) => routeOp(r, netns, 'route.del')), ...come.map((r) => routeOp(r, netns))]
}

function set(before: unknown, after: unknown, op: () => Op): Op[] {
  return equal(before, after) ? [] : [op()]
}

function fixed(what: string, before: unknown, after: unknown): void {
  if (!equal(before, after)) throw new Unchangeable(`a step cannot change ${what}`)
}

/** Equality of plain data. */
function equal(a: unknown, b: unknown): boolean {
  return text(a) === text(b)
}

function text(value: unknown): string {
  return (
    JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v)) ??
    'undefined'
  )
}
