/**
 * Which other pairs a change opens or closes. Endpoints that nothing tells apart (same parent,
 * mode, prefix, settings, rules) are one class: two of each are asked, and count for all.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../fabric/snapshot.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { forget, reaches } from './ask.ts'
import type { Scene } from './scene.ts'
import { type Alike, NONE_ALIKE } from './thin.ts'
import type { Effects } from './types.ts'

/** Names of pairs told, of each sort. */
const TOLD = 5

export class Pairs {
  readonly #scene: Scene
  readonly #family: 4 | 6
  readonly #base: SimFabric
  /** Verdicts in the world as it is. */
  readonly #known = new Map<string, boolean>()
  readonly #macs = new Map<number, number>()
  readonly #endpoints: readonly string[]
  readonly #name: (netns: string) => string

  readonly #alike: Alike
  /** Those left out, by their sort: who stands for them may be touched by a plan. */
  readonly #others: ReadonlyMap<string, readonly string[]>

  /**
   * @param base a world nobody else uses; its tables are emptied before every ping
   * @param alike endpoints that stand for others which are not in the scene
   */
  constructor(
    scene: Scene,
    family: 4 | 6,
    base: SimFabric,
    name: (netns: string) => string,
    alike: Alike = NONE_ALIKE,
  ) {
    this.#alike = alike
    this.#others = new Map(
      [...alike.others].map(([one, list]) => [alike.sorts.get(one) ?? '', list]),
    )
    this.#scene = scene
    this.#family = family
    this.#base = base
    this.#name = name
    for (const { link } of scene.links()) {
      this.#macs.set(link.address, (this.#macs.get(link.address) ?? 0) + 1)
    }
    this.#endpoints = scene.snapshot.netns
      .filter((n) => scene.addresses(n.name, family).length > 0)
      .map((n) => n.name)
  }

  /**
   * What a plan changes for others.
   * @param after the world with the plan done, nobody else's
   * @param ends of the question: their own pair does not count
   */
  effects(after: SimFabric, plan: readonly Op[], ends: readonly string[]): Effects {
    const classes = [...this.#classes(plan, ends)].map(([key, members]) => [
      ...members,
      ...(this.#others.get(key) ?? []),
    ])
    const opened: string[] = []
    const closed: string[] = []
    const count = { opened: 0, closed: 0 }
    for (const a of classes) {
      for (const b of classes) {
        const from = a[0] as string
        const to = (a === b ? a[1] : b[0]) ?? ''
        const pairs = a === b ? a.length * (a.length - 1) : a.length * b.length
        if (pairs === 0 || (ends.includes(from) && ends.includes(to))) continue
        const before = this.#before(from, to)
        const now = this.#ask(after, from, to)
        if (before === now) continue
        const list = now ? opened : closed
        if (now) count.opened += pairs
        else count.closed += pairs
        list.push(...this.#named(a, b))
      }
    }
    return {
      ...count,
      openedPairs: opened.slice(0, TOLD),
      closedPairs: closed.slice(0, TOLD),
    }
  }

  #named(a: readonly string[], b: readonly string[]): string[] {
    return a
      .flatMap((x) => b.filter((y) => y !== x).map((y) => `${this.#name(x)} -> ${this.#name(y)}`))
      .slice(0, TOLD)
  }

  #before(from: string, to: string): boolean {
    const key = `${from}\0${to}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const verdict = this.#ask(this.#base, from, to)
    this.#known.set(key, verdict)
    return verdict
  }

  #ask(world: SimFabric, from: string, to: string): boolean {
    const [own] = this.#scene.addresses(from, this.#family)
    const theirs = this.#scene.addresses(to, this.#family)
    const near = theirs.find((t) => own !== undefined && contains(own.address, t.address.address))
    const target = (near ?? theirs[0])?.address.address
    if (target === undefined) return false
    forget(world)
    return reaches(world, { from, to, target, protocol: 'icmp' })
  }

  /** Endpoints nothing tells apart, once a plan is done; each of the ends is alone. */
  #classes(plan: readonly Op[], ends: readonly string[]): Map<string, string[]> {
    const alone = new Set([...ends, ...plan.map((op) => op.netns)])
    const prefixes = [...this.#prefixes(), ...plan.flatMap(prefixesOf)]
    const classes = new Map<string, string[]>()
    for (const netns of this.#endpoints) {
      const sort = this.#alike.sorts.get(netns)
      const key = alone.has(netns) ? `\0${netns}` : (sort ?? this.#key(netns, prefixes))
      const members = classes.get(key)
      if (members === undefined) classes.set(key, [netns])
      else members.push(netns)
    }
    return classes
  }

  /** Prefixes somebody's routes, rules or neighbours tell addresses apart by. */
  #prefixes(): Prefix[] {
    return this.#scene.snapshot.netns.flatMap((n) => [
      ...n.routes.filter((r) => r.protocol !== 'kernel').map((r) => r.to),
      ...(n.filters ?? []).flatMap((c) =>
        c.rules.flatMap(({ match }) => [match.from, match.to].flatMap((p) => p ?? [])),
      ),
      ...n.neighbours
        .filter((x) => x.state === 'permanent')
        .map((x) => ({ address: x.ip, length: typeof x.ip === 'bigint' ? 128 : 32 })),
    ])
  }

  /** Everything that could tell an endpoint from another, as text. */
  #key(name: string, prefixes: readonly Prefix[]): string {
    const netns = this.#scene.netns(name) as NetnsSnapshot
    const twin = (ip: Ip): boolean => this.#scene.owners(ip).length > 1
    const links = netns.links.map((link) => this.#linkKey(name, link))
    const addresses = netns.addresses
      .filter((a) => a.scope === 'global')
      .map(({ link, address }) => {
        const inside = prefixes.filter((p) => contains(p, address.address)).length
        const own = twin(address.address) ? name : ''
        const net = prefixes.length === 0 ? '' : inside
        return `${link}/${address.length}/${own}/${net}/${networkKey(address)}`
      })
    const routes = netns.routes
      .filter((r) => r.protocol !== 'kernel')
      .map((r) => `${r.to.address}/${r.to.length} ${r.via} ${r.link} ${r.type} ${r.metric}`)
    const filters = netns.filters?.length === undefined ? '' : name
    const kept = netns.neighbours.some((n) => n.state === 'permanent') ? name : ''
    const sysctls = JSON.stringify(netns.sysctls)
    return [...links, ...addresses, ...routes, filters, kept, sysctls].join('\n')
  }

  #linkKey(netns: string, link: LinkSnapshot): string {
    const { name, kind, mtu, up, carrier, promisc, arp, parent } = link
    const cable = kind === 'veth' || kind === 'device' ? netns : ''
    const shared =
      link.kind !== 'loopback' && link.ipvlan === undefined && link.vlan === undefined
        ? (this.#macs.get(link.address) ?? 0) > 1
        : false
    const on = `${parent?.netns}/${parent?.index}`
    const mode = `${link.macvlan?.mode}/${link.ipvlan?.mode}/${link.ipvlan?.flag}/${link.vlan?.id}`
    const list = (link.macvlan?.sources.length ?? 0) > 0 ? netns : ''
    return [
      name,
      kind,
      mtu,
      up,
      carrier,
      promisc,
      arp,
      on,
      mode,
      cable,
      list,
      JSON.stringify(link.netem),
      shared ? netns : '',
    ].join(' ')
  }
}

function networkKey({ address, length }: Prefix): string {
  const bits = typeof address === 'bigint' ? 128n : 32n
  return String(BigInt(address) >> (bits - BigInt(length)))
}

function prefixesOf(op: Op): Prefix[] {
  if ('to' in op && typeof op.to === 'object') return [op.to]
  if ('rule' in op && typeof op.rule === 'object') {
    return [op.rule.match.from, op.rule.match.to].flatMap((p) => p ?? [])
  }
  return []
}
