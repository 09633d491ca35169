/**
 * What lies beyond the wire of a live host: nobody can look into it, so it is assumed, said, and
 * can be told otherwise. A switch behind every card, a router that holds the gateways, and whoever
 * is known to hold the address asked for.
 */
import { familyOf, formatIp, type Ip, isLinkLocalIp, type Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { contains, networkOf } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { SimFabric } from '../sim/fabric.ts'
import { loadSnapshot } from '../sim/load.ts'
import { isEdge, type WayOut, waysOut } from './edges.ts'
import { type LinkAt, Scene } from './scene.ts'

/** What somebody knows better than we assume. */
export interface Assume {
  /** The switches send frames back by the port they came in by. */
  readonly hairpin: boolean
  /** All cards hang on one switch; else only those that share a subnet. */
  readonly oneSwitch: boolean
  /** VLANs the switches carry tagged; undefined: all. */
  readonly vlans: readonly number[] | undefined
  /** Addresses somebody beyond holds. */
  readonly hosts: readonly Ip[]
  /** Addresses nobody beyond holds, whatever the tables say. */
  readonly nobody: readonly Ip[]
}

export const ASSUME_NOTHING: Assume = {
  hairpin: false,
  oneSwitch: false,
  vlans: undefined,
  hosts: [],
  nobody: [],
}

/** A world with its outside. */
export interface Beyond {
  readonly fabric: SimFabric
  /** Namespaces of the outside, as people call them. */
  readonly names: ReadonlyMap<string, string>
  /** The namespace of the outside that holds an address. */
  holderOf(ip: Ip): string | undefined
  /** What was assumed, a sentence each. */
  readonly assumptions: readonly string[]
}

/** A machine beyond the wire. */
interface Machine {
  readonly netns: string
  readonly name: string
  readonly group: number
  mac: Mac | undefined
  readonly router: boolean
  /** By text; `lo`: reached by way of it. */
  readonly addresses: Map<
    string,
    { readonly vlans: readonly number[] | 'lo'; readonly address: Prefix }
  >
}

/** Namespaces beyond the wire begin so: no name of `ip netns` does. */
const OUTSIDE = '~'

export const isOutside = (netns: string): boolean => netns.startsWith(OUTSIDE)

/**
 * Loads a snapshot and puts what lies beyond its wires around it.
 *
 * @param asked addresses the question is about
 * @param answered those of them that answered a real probe
 *
 * @example
 * ```ts
 * const { fabric, assumptions } = openBeyond(snapshot, ASSUME_NOTHING, [parseIp('10.0.0.9')])
 * ```
 */
export function openBeyond(
  snapshot: Snapshot,
  assume: Assume,
  asked: readonly Ip[],
  answered: readonly Ip[] = [],
): Beyond {
  const outside = new Outside(snapshot, assume)
  outside.gateways()
  for (const ip of [...assume.hosts, ...asked]) outside.find(ip, answered.includes(ip))
  return outside.open()
}

class Outside {
  readonly #snapshot: Snapshot
  readonly #scene: Scene
  readonly #assume: Assume
  readonly #edges: readonly LinkAt[]
  /** Edge -> number of its switch. */
  readonly #groups: ReadonlyMap<LinkSnapshot, number>
  readonly #machines: Machine[] = []
  readonly #said: string[] = []

  constructor(snapshot: Snapshot, assume: Assume) {
    this.#snapshot = snapshot
    this.#scene = new Scene(snapshot)
    this.#assume = assume
    this.#edges = this.#scene
      .links()
      .filter((at) => at.link.up && at.link.carrier && isEdge(this.#scene, at))
    this.#groups = this.#grouped()
  }

  /** The routers every namespace sends its traffic to, as far as they are not in the snapshot. */
  gateways(): void {
    for (const netns of this.#snapshot.netns) {
      for (const { via, link, type } of netns.routes) {
        if (via === undefined || type !== 'unicast' || link === undefined) continue
        if (this.#owned(via) || this.#assume.nobody.includes(via)) continue
        this.#put(netns, link, via, true)
      }
    }
    for (const { router, addresses } of this.#machines) {
      if (!router) continue
      const all = [...addresses.values()].map(({ address }) => formatIp(address.address))
      this.#said.push(
        `a router holds the gateway${all.length > 1 ? 's' : ''} ${all.join(', ')} and forwards`,
      )
    }
  }

  /** Whoever holds an address that nobody in the snapshot has. */
  find(ip: Ip, answered: boolean): void {
    if (this.#owned(ip) || this.#machines.some((m) => m.addresses.has(key(ip)))) return
    const text = formatIp(ip)
    if (this.#assume.nobody.includes(ip)) {
      this.#said.push(`nobody holds ${text} (as told)`)
      return
    }
    const told = this.#assume.hosts.includes(ip)
    const near = this.#nearby(ip)
    if (near === undefined) {
      this.#behindRouter(ip, told || answered)
      return
    }
    const known = this.#macOf(ip) !== undefined
    if (!told && !answered && !known) {
      this.#said.push(
        `nobody holds ${text}: no neighbour table knows it (else: --assume host=${text})`,
      )
      return
    }
    const why = told ? 'as told' : answered ? 'it answered' : 'a neighbour table knows its MAC'
    if (this.#put(near.netns, near.link, ip, false)) {
      this.#said.push(`${text} is on the LAN (${why})`)
    }
  }

  open(): Beyond {
    const fabric = new SimFabric(loadSnapshot(this.#wired()))
    fabric.applyNow(this.#plan())
    const names = new Map(this.#machines.map((m) => [m.netns, m.name]))
    const numbers = [...new Set(this.#groups.values())]
    for (const number of numbers) {
      const cards = this.#edgesOf(number).map(({ netns, link }) => edgeName(netns, link))
      names.set(switchNetns(number), numbers.length === 1 ? 'switch' : `switch at ${cards[0]}`)
      const hairpin = this.#assume.hairpin
        ? 'sends frames back by the port they came in by (hairpin on, as told)'
        : 'does not send frames back by the port they came in by (else: --assume hairpin)'
      this.#said.unshift(`the switch at ${cards.join(' and ')} ${hairpin}`)
    }
    if (numbers.length > 0) this.#sayVlans()
    const holderOf = (ip: Ip): string | undefined =>
      this.#machines.find((m) => m.addresses.has(key(ip)))?.netns
    return { fabric, names, holderOf, assumptions: this.#said }
  }

  #sayVlans(): void {
    const { vlans } = this.#assume
    if (vlans !== undefined) {
      const list = vlans.length === 0 ? 'no VLAN' : `the VLANs ${vlans.join(', ')}`
      this.#said.push(`the switch carries ${list} tagged (as told)`)
    } else if (this.#scene.links().some(({ link }) => link.vlan !== undefined)) {
      this.#said.push('the switch carries every VLAN tagged (else: --assume vlans=10,20)')
    }
  }

  #owned(ip: Ip): boolean {
    // A link-local address is another one on every link.
    if (typeof ip === 'bigint' && isLinkLocalIp(ip)) return false
    return this.#scene.owners(ip).length > 0
  }

  /** The namespace and link whose subnet an address is of. */
  #nearby(ip: Ip): { netns: NetnsSnapshot; link: string } | undefined {
    for (const netns of this.#snapshot.netns) {
      for (const { address, link } of netns.addresses) {
        const at = this.#scene.link(netns.name, link)
        if (address.length === familyBits(ip) || at === undefined) continue
        if (familyOf(address.address) !== familyOf(ip) || !contains(address, ip)) continue
        if (this.#waysFrom(netns.name, at).length > 0) return { netns, link }
      }
    }
    return undefined
  }

  /** What is on no LAN of ours is behind the router. */
  #behindRouter(ip: Ip, sure: boolean): void {
    const router = this.#machines.find(
      (m) =>
        m.router &&
        [...m.addresses.values()].some((a) => familyOf(a.address.address) === familyOf(ip)),
    )
    if (router === undefined) return
    if (!sure) {
      this.#said.push(
        `${formatIp(ip)} lies behind the ${router.name} and did not answer: what is there cannot ` +
          `be seen from here (else: --assume host=${formatIp(ip)})`,
      )
      return
    }
    router.addresses.set(key(ip), {
      vlans: 'lo',
      address: { address: ip, length: familyBits(ip) },
    })
    this.#said.push(`${formatIp(ip)} is reached by way of the ${router.name}`)
  }

  #waysFrom(netns: string, link: LinkSnapshot): WayOut[] {
    return waysOut(this.#scene, { netns, link }).filter((way) => this.#groups.has(way.edge.link))
  }

  /** @returns whether there is a wire to put it on */
  #put(netns: NetnsSnapshot, linkName: string, ip: Ip, router: boolean): boolean {
    const link = this.#scene.link(netns.name, linkName)
    const [way] = link === undefined ? [] : this.#waysFrom(netns.name, link)
    if (way === undefined) return false
    const group = this.#groups.get(way.edge.link) ?? 0
    const mac = this.#macOf(ip)
    const machine = this.#machine(group, mac, router, ip)
    const near = netns.addresses.find((a) => a.link === linkName && fits(a.address, ip))
    const length = near?.address.length ?? (typeof ip === 'bigint' ? 64 : 24)
    machine.addresses.set(key(ip), { vlans: way.vlans, address: { address: ip, length } })
    return true
  }

  /** One router a switch, unless neighbour tables know several MACs. */
  #machine(group: number, mac: Mac | undefined, router: boolean, ip: Ip): Machine {
    const same = this.#machines.find(
      (m) =>
        m.group === group &&
        (router || mac !== undefined) &&
        (m.mac === mac || (router && m.router && (m.mac === undefined || mac === undefined))),
    )
    if (same !== undefined) {
      same.mac ??= mac
      return same
    }
    const text = formatIp(ip)
    const machine: Machine = {
      netns: `${OUTSIDE}${text}`,
      name: router ? 'gateway' : 'LAN host',
      group,
      mac,
      router,
      addresses: new Map(),
    }
    this.#machines.push(machine)
    return machine
  }

  #macOf(ip: Ip): Mac | undefined {
    for (const { neighbours } of this.#snapshot.netns) {
      const known = neighbours.find(
        (n) => n.ip === ip && n.mac !== undefined && !n.proxy && !DOUBTFUL.has(n.state),
      )
      if (known !== undefined) return known.mac
    }
    return undefined
  }

  /** Cards that share a subnet on the same VLAN hang on one switch. */
  #grouped(): Map<LinkSnapshot, number> {
    const groups = new Map(this.#edges.map(({ link }, i) => [link, i] as const))
    if (this.#assume.oneSwitch) return new Map(this.#edges.map(({ link }) => [link, 0] as const))
    const firstOn = new Map<string, LinkSnapshot>()
    for (const { name, addresses } of this.#snapshot.netns) {
      for (const { link, address } of addresses) {
        const at = this.#scene.link(name, link)
        if (at === undefined || at.kind === 'loopback' || isLinkLocalIp(address.address)) continue
        for (const { edge, vlans } of waysOut(this.#scene, { netns: name, link: at })) {
          const subnet = `${vlans.join()} ${networkOf(address)}/${address.length}`
          const first = firstOn.get(subnet) ?? edge.link
          firstOn.set(subnet, first)
          const [a, b] = [groups.get(first), groups.get(edge.link)]
          if (a === undefined || b === undefined || a === b) continue
          for (const [known, group] of groups) if (group === b) groups.set(known, a)
        }
      }
    }
    return groups
  }

  #edgesOf(group: number): LinkAt[] {
    return this.#edges.filter(({ link }) => this.#groups.get(link) === group)
  }

  /** The cards of a switch, each with the name of its port. */
  #ports(group: number): { at: LinkAt; name: string }[] {
    const ports: { at: LinkAt; name: string }[] = []
    for (const at of this.#edgesOf(group)) {
      const taken = ports.some(({ name }) => name === at.link.name)
      ports.push({ at, name: taken ? `p${ports.length}` : at.link.name })
    }
    return ports
  }

  /** The snapshot with a cable from each card to a port of its switch. */
  #wired(): Snapshot {
    const replaced = new Map<LinkSnapshot, LinkSnapshot>()
    const switches = [...new Set(this.#groups.values())].map((group): NetnsSnapshot => {
      const links = this.#ports(group).map(({ at, name }, i): LinkSnapshot => {
        const { netns, link } = at
        const index = i + 2
        const cable = {
          ...link,
          kind: 'veth',
          macvlan: undefined,
          ipvlan: undefined,
          vlan: undefined,
        }
        replaced.set(link, { ...cable, parent: { index, netns: switchNetns(group), name } })
        return {
          ...cable,
          index,
          name,
          address: PORT_MAC + i + group * 256,
          master: undefined,
          port: undefined,
          promisc: false,
          alias: undefined,
          group: 0,
          parent: { index: link.index, netns, name: link.name },
        }
      })
      return { ...EMPTY, name: switchNetns(group), links }
    })
    const inside = this.#snapshot.netns.map((n) => ({
      ...n,
      links: n.links.map((l) => replaced.get(l) ?? l),
    }))
    return { netns: [...inside, ...switches] }
  }

  /** The switches, and the machines on them. */
  #plan(): Op[] {
    const plan: Op[] = []
    for (const group of new Set(this.#groups.values())) {
      const netns = switchNetns(group)
      const bridge = { vlanFiltering: this.#assume.vlans !== undefined }
      plan.push({ do: 'link.add', netns, name: 'br0', spec: { kind: 'bridge', bridge } })
      for (const { name } of this.#ports(group)) {
        const port = { hairpin: this.#assume.hairpin }
        plan.push(
          { do: 'link.set', netns, name, master: 'br0', up: true },
          { do: 'link.set', netns, name, port },
        )
        for (const from of this.#assume.vlans ?? []) {
          plan.push({ do: 'bridge-vlan.add', netns, link: name, from })
        }
      }
      plan.push({ do: 'link.set', netns, name: 'br0', up: true })
    }
    for (const [i, machine] of this.#machines.entries()) plan.push(...this.#machinePlan(machine, i))
    return plan
  }

  #machinePlan({ netns, group, mac, router, addresses }: Machine, number: number): Op[] {
    const sw = switchNetns(group)
    const name = `m${number}`
    const address = mac ?? MACHINE_MAC + number
    const plan: Op[] = [
      { do: 'netns.add', netns },
      { do: 'link.set', netns, name: 'lo', up: true },
      {
        do: 'link.add',
        netns: sw,
        name,
        spec: { kind: 'veth', peer: { name: 'eth0', netns, address } },
      },
      { do: 'link.set', netns: sw, name, master: 'br0', up: true },
      { do: 'link.set', netns, name: 'eth0', up: true },
    ]
    if (router) {
      plan.push(
        { do: 'sysctl.set', netns, key: 'net.ipv4.ip_forward', value: '1' },
        { do: 'sysctl.set', netns, key: 'net.ipv6.conf.all.forwarding', value: '1' },
      )
    }
    const made = new Set<string>()
    for (const { vlans, address: own } of addresses.values()) {
      const link = this.#vlanLinks(plan, netns, sw, name, vlans, made)
      const nodad = typeof own.address === 'bigint' ? { nodad: true } : {}
      plan.push({ do: 'address.add', netns, link, address: own, ...nodad })
    }
    return plan
  }

  /** `eth0`, or a VLAN link on it. */
  #vlanLinks(
    plan: Op[],
    netns: string,
    sw: string,
    port: string,
    vlans: readonly number[] | 'lo',
    made: Set<string>,
  ): string {
    if (vlans === 'lo') return 'lo'
    let parent = 'eth0'
    for (const id of vlans) {
      const name = `${parent}.${id}`.slice(-15)
      if (!made.has(name)) {
        made.add(name)
        plan.push(
          { do: 'link.add', netns, name, spec: { kind: 'vlan', parent, id } },
          { do: 'link.set', netns, name, up: true },
        )
        if (this.#assume.vlans !== undefined && parent === 'eth0') {
          plan.push({ do: 'bridge-vlan.add', netns: sw, link: port, from: id })
        }
      }
      parent = name
    }
    return parent
  }
}

const DOUBTFUL: ReadonlySet<string> = new Set(['incomplete', 'failed'])
const PORT_MAC = 0x02_00_5e_00_00_00
const MACHINE_MAC = 0x02_00_5e_10_00_00

const EMPTY: Omit<NetnsSnapshot, 'name' | 'links'> = {
  addresses: [],
  routes: [],
  rules: [],
  neighbours: [],
  fdb: [],
  vlans: [],
  sysctls: {},
}

const switchNetns = (group: number): string => `${OUTSIDE}switch${group}`

const key = (ip: Ip): string => formatIp(ip)

const familyBits = (ip: Ip): number => (typeof ip === 'bigint' ? 128 : 32)

function fits(prefix: Prefix, ip: Ip): boolean {
  return familyOf(prefix.address) === familyOf(ip) && contains(prefix, ip)
}

/** A card as people call it. */
function edgeName(netns: string, link: LinkSnapshot): string {
  return netns === '' ? link.name : `${netns}:${link.name}`
}
