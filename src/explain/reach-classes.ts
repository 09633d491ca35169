/**
 * Attachment classes: namespaces that reach, and are reached by, the same others for the same
 * reasons. A class is the way from the middle of the network down to the namespace: what each one
 * on it is, and by what kind of port the next hangs on it. Whoever may matter to pairs it is not of
 * (routers, proxies, holders of an address or a MAC that is there twice) is a class of its own, and
 * so is everyone above it.
 */
import type { Ip } from '../addr/ip.ts'
import type { LinkSnapshot, RouteSnapshot } from '../fabric/snapshot.ts'
import { Atoms } from './reach-atoms.ts'
import { type Facts, type FactsReader, hostPrefix, type LinkFacts } from './reach-facts.ts'
import { type Forest, growForest, upFrom } from './reach-forest.ts'
import { Print, type Words } from './reach-hash.ts'

export interface Classes {
  readonly forest: Forest
  /** What the next state may start from. */
  readonly state: ClassesState
  /** Fingerprint of each namespace's class. */
  readonly print: Float64Array
  /** Matters to pairs it is not of: part of every question. */
  readonly always: Uint8Array
  /** Takes what its parent receives: part of every question its parent is part of. */
  readonly tied: Uint8Array
  /** Like no other. */
  readonly alone: Uint8Array
  /** Fingerprint of all that matter to everybody. */
  readonly context: number
}

/** Who has an address or a MAC: one, or several who share it. */
class Holders<K> {
  readonly #first = new Map<K, number>()

  /** @returns who has it already, if somebody else; -1 if nobody */
  add(key: K, holder: number): number {
    const other = this.#first.get(key)
    if (other === undefined) this.#first.set(key, holder)
    return other === undefined || other === holder ? -1 : other
  }

  of(key: K): number {
    return this.#first.get(key) ?? -1
  }
}

/** @param before a state of the same network: what no change touches is taken over */
export function classify(
  facts: readonly Facts[],
  reader: FactsReader,
  words: Words,
  before?: Classes,
): Classes {
  const changed = before === undefined ? undefined : changedOf(before.forest.facts, facts, words)
  if (before === undefined || changed === undefined)
    return new Classifier(growForest(facts), reader, words).run()
  return new Classifier({ ...before.forest, facts }, reader, words, before).rename(changed)
}

/** What of a state depends only on what its namespaces are to others. */
export interface ClassesState {
  readonly ips: Holders<Ip>
  /** Routes of a parent to the one address of a child. */
  readonly ways: Map<number, RouteSnapshot[]>
  readonly atoms: Atoms
}

/**
 * The namespaces that are not what they were, when each is the same to the others; undefined when
 * one is not, or when there are others than before.
 */
function changedOf(
  before: readonly Facts[],
  now: readonly Facts[],
  words: Words,
): readonly number[] | undefined {
  if (before.length !== now.length) return undefined
  const changed: number[] = []
  for (let i = 0; i < now.length; i++) {
    if (before[i] === now[i]) continue
    if (outside(before[i] as Facts, words) !== outside(now[i] as Facts, words)) return undefined
    changed.push(i)
  }
  return changed
}

/** Fingerprint of what a namespace is to others: all that is read of it for their classes. */
function outside(facts: Facts, words: Words): number {
  const { snapshot, links, cards, ips, vias, namedIps, namedMacs } = facts
  const { prefixes, hostRoutes, meddles, alone, takes } = facts
  const ends = links.map(({ link, leads, addresses }) => {
    const { name, index, kind, address, parent, master, port } = link
    const own = addresses.map((a) => [a.scope, a.address.address])
    return [name, index, kind, address, parent?.index, master, port?.hairpin, leads, own]
  })
  const macs = cards.map((card) => card.address)
  return new Print()
    .value([snapshot.name, ends, macs, ips, vias, namedIps, namedMacs], words)
    .value([prefixes, hostRoutes, meddles, alone, takes], words).number
}

class Classifier {
  readonly #forest: Forest
  readonly #reader: FactsReader
  readonly #words: Words
  readonly #always: Uint8Array
  readonly #alone: Uint8Array
  readonly #tied: Uint8Array
  readonly #print: Float64Array
  readonly #ips: Holders<Ip>
  readonly #ways: Map<number, RouteSnapshot[]>
  /** Links of parents that lead to a child. */
  readonly #ports = new Map<number, LinkFacts[]>()
  #atoms: Atoms

  constructor(forest: Forest, reader: FactsReader, words: Words, before?: Classes) {
    const count = forest.facts.length
    this.#forest = forest
    this.#reader = reader
    this.#words = words
    this.#always = before?.always ?? new Uint8Array(count)
    this.#alone = before?.alone ?? new Uint8Array(count)
    this.#tied = before?.tied ?? new Uint8Array(count)
    this.#print = before?.print.slice() ?? new Float64Array(count)
    this.#ips = before?.state.ips ?? new Holders()
    this.#ways = before?.state.ways ?? new Map()
    this.#atoms = before?.state.atoms ?? new Atoms([])
  }

  run(): Classes {
    const { facts, upwards } = this.#forest
    this.#mark()
    this.#atoms = new Atoms([...facts.map((f) => f.prefixes), ...this.#sortHostRoutes()])
    for (let at = upwards.length - 1; at >= 0; at--) this.#name(upwards[at] as number)
    return this.#classes()
  }

  /** Names those anew that changed, and those whose names rest on theirs. */
  rename(changed: readonly number[]): Classes {
    const { upwards, parent } = this.#forest
    /** Who has to be named again, and whose children have. */
    const anew = new Uint8Array(parent.length)
    const named = new Uint8Array(parent.length)
    for (const i of changed) {
      anew[i] = 1
      if (this.#tied[i] === 1) anew[parent[i] as number] = 1
    }
    for (let at = upwards.length - 1; at >= 0; at--) {
      const i = upwards[at] as number
      const p = parent[i] as number
      if (anew[i] === 0 && (p < 0 || anew[p] === 0)) continue
      // Whoever is named says on which ports its children hang.
      if (p >= 0 && named[p] === 0) this.#findPorts(i, p)
      const before = this.#print[i]
      this.#name(i)
      named[i] = 1
      if (this.#print[i] !== before) anew[i] = 1
    }
    return this.#classes()
  }

  #classes(): Classes {
    const { facts } = this.#forest
    const matter: number[] = []
    for (let i = 0; i < facts.length; i++) if (this.#always[i] === 1) matter.push(i)
    const name = (i: number): string => (facts[i] as Facts).snapshot.name
    matter.sort((a, b) => (name(a) < name(b) ? -1 : 1))
    const context = new Print()
    for (const i of matter) context.add(this.#print[i] as number)
    return {
      forest: this.#forest,
      print: this.#print,
      always: this.#always,
      tied: this.#tied,
      alone: this.#alone,
      context: context.number,
      state: { ips: this.#ips, ways: this.#ways, atoms: this.#atoms },
    }
  }

  #findPorts(i: number, p: number): void {
    const { facts, byName } = this.#forest
    const ports = (facts[p] as Facts).links.filter(({ leads }) => {
      return leads !== undefined && byName.get(leads) === i
    })
    if (ports.length > 0) this.#ports.set(i, ports)
  }

  /** Finds who is like no other. */
  #mark(): void {
    const { facts, byName, onCircle, parent } = this.#forest
    const macs = new Holders<number>()
    for (const [i, one] of facts.entries()) {
      for (const ip of one.ips) this.#twins(i, this.#ips.add(ip, i))
      for (const card of one.cards) {
        const other = macs.add(card.address, i)
        if (other >= 0) this.#sameMac(i, other, card.address)
      }
      if (one.meddles || onCircle[i] === 1) this.#always[i] = 1
      if (one.alone) this.#alone[i] = 1
    }
    for (const [i, one] of facts.entries()) {
      for (const ip of one.vias) this.#matters(this.#ips.of(ip))
      for (const ip of one.namedIps) this.#matters(this.#ips.of(ip))
      for (const mac of one.namedMacs) this.#matters(macs.of(mac))
      if (!one.takes) continue
      this.#alone[i] = 1
      for (const { leads } of one.links) {
        const below = byName.get(leads ?? '')
        if (below === undefined) continue
        this.#alone[below] = 1
        if (parent[i] === below) this.#tied[i] = 1
      }
    }
    this.#markStubs()
    for (let i = 0; i < facts.length; i++) {
      if (this.#always[i] === 0) continue
      for (const up of upFrom(this.#forest, i)) this.#always[up] = 1
    }
  }

  /**
   * What hangs below and may send frames back, or carries what its parent's children sit on: a
   * switch that is the last on its branch.
   */
  #markStubs(): void {
    const { facts, byName, parent } = this.#forest
    /** Links that others sit on, by namespace. */
    const carriers = new Map<string, Set<number>>()
    for (const { snapshot, links } of facts) {
      for (const { link, leads } of links) {
        if (link.kind === 'veth' || link.parent === undefined) continue
        const where = leads ?? snapshot.name
        const known = carriers.get(where)
        if (known === undefined) carriers.set(where, new Set([link.parent.index]))
        else known.add(link.parent.index)
      }
    }
    for (const [i, { snapshot, links }] of facts.entries()) {
      for (const { link, leads, addresses } of links) {
        const other = leads === undefined ? undefined : byName.get(leads)
        if (other === undefined) continue
        if (parent[i] === other && link.port?.hairpin === true) this.#always[i] = 1
        if (parent[other] !== i) continue
        const bears =
          carriers.get(snapshot.name)?.has(link.index) === true ||
          addresses.some((a) => a.scope !== 'link')
        if (link.master !== undefined && !bears) continue
        if (!bears && (facts[other] as Facts).ips.length > 0) continue
        this.#tied[other] = 1
        this.#alone[other] = 1
        this.#alone[i] = 1
      }
    }
  }

  #twins(i: number, other: number): void {
    if (other < 0) return
    this.#always[i] = 1
    this.#always[other] = 1
  }

  /** A port that has the MAC goes with whoever is plugged in. */
  #sameMac(i: number, other: number, mac: number): void {
    const { facts, byName } = this.#forest
    for (const holder of [i, other]) {
      this.#matters(holder)
      for (const { link, leads } of (facts[holder] as Facts).links) {
        if (link.address === mac && leads !== undefined) this.#matters(byName.get(leads) ?? -1)
      }
    }
  }

  #matters(i: number): void {
    if (i >= 0) this.#always[i] = 1
  }

  /**
   * Gives a parent's route to one address to the child that has it.
   * @returns borders of the rest
   */
  #sortHostRoutes(): { readonly address: Ip; readonly length: number }[][] {
    const { facts, parent } = this.#forest
    const rest: { address: Ip; length: number }[] = []
    for (const [i, { hostRoutes }] of facts.entries()) {
      for (const route of hostRoutes) {
        const owner = this.#ips.of(route.to.address)
        const own = owner >= 0 && parent[owner] === i
        if (!own) rest.push(hostPrefix(route.to.address))
        const key = own ? owner : i
        const list = this.#ways.get(key)
        if (list === undefined) this.#ways.set(key, [route])
        else list.push(route)
      }
    }
    return [rest]
  }

  #name(i: number): void {
    const { facts, parent, byName } = this.#forest
    const one = facts[i] as Facts
    const p = parent[i] as number
    const print = new Print().add(p < 0 ? 0 : (this.#print[p] as number))
    if (this.#always[i] === 1 || this.#alone[i] === 1) print.value(one.snapshot.name, this.#words)
    for (const port of this.#ports.get(i) ?? []) this.#link(print, port)
    for (const route of this.#ways.get(i) ?? []) this.#way(print, route, i)
    print.add(one.print)
    const above = p < 0 ? undefined : (facts[p] as Facts)
    for (const link of one.links) {
      const below = link.leads === undefined ? undefined : byName.get(link.leads)
      if (below !== undefined && parent[below] === i) {
        const ports = this.#ports.get(below)
        if (ports === undefined) this.#ports.set(below, [link])
        else ports.push(link)
        // A child that takes everything is part of what its parent is.
        if (this.#tied[below] === 1) print.add((facts[below] as Facts).print)
      } else this.#link(print, link, one, above)
    }
    for (const child of this.#tiedOf(i)) print.add(child)
    this.#print[i] = print.number
  }

  /** Fingerprints of the children that take what this one receives. */
  #tiedOf(i: number): number[] {
    const { facts, parent } = this.#forest
    if (this.#alone[i] === 0) return []
    return facts.flatMap(({ links, print }, c) =>
      this.#tied[c] === 1 && parent[c] === i ? [print, ...links.map((l) => l.print)] : [],
    )
  }

  #link(
    print: Print,
    { link, leads, print: own, addresses }: LinkFacts,
    one?: Facts,
    above?: Facts,
  ): void {
    const words = this.#words
    print.add(own)
    if (link.parent !== undefined) print.add(this.#below(link, leads, one, above))
    for (const {
      address,
      broadcast,
      scope,
      secondary,
      tentative,
      dadFailed,
      dynamic,
    } of addresses) {
      print.add(address.length).value(scope, words).value(secondary, words)
      print.value(tentative, words).value(dadFailed, words).value(dynamic, words)
      if (scope === 'host') print.value(address.address, words)
      else if (scope !== 'link') {
        this.#atoms.print(print, address.address, words)
        print.value(broadcast === undefined, words)
      }
    }
  }

  /** Which link it sits on, told by its place; the other end of a cable is its own. */
  #below(link: LinkSnapshot, leads: string | undefined, one?: Facts, above?: Facts): number {
    if (link.kind === 'veth') return -1
    const index = link.parent?.index
    const where = leads === undefined ? one : above?.snapshot.name === leads ? above : undefined
    return where === undefined ? -2 : where.links.findIndex((l) => l.link.index === index)
  }

  #way(print: Print, route: RouteSnapshot, i: number): void {
    const { facts, parent } = this.#forest
    const owner = this.#ips.of(route.to.address)
    const p = parent[i] as number
    const ofParent = owner === i && p >= 0
    const where = facts[ofParent ? p : i] as Facts
    print.add(where.links.findIndex((l) => l.link.name === route.link))
    // Which address it leads to is the child's own business.
    const to = ofParent ? { address: 0, length: route.to.length } : route.to
    this.#reader.route(print, { ...route, to }, where.snapshot.addresses)
  }
}
