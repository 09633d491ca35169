/** A snapshot with the questions the making of remedies asks of it. */
import type { Ip, Prefix } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import type { AddressSnapshot, LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'

/** A link and where it is. */
export interface LinkAt {
  readonly netns: string
  readonly link: LinkSnapshot
}

export interface Owner {
  readonly netns: string
  readonly link: string
  readonly address: Prefix
}

export class Scene {
  readonly snapshot: Snapshot
  readonly #netns: ReadonlyMap<string, NetnsSnapshot>

  readonly #taken: ReadonlySet<Ip>

  /** @param taken addresses of those who are not in it */
  constructor(snapshot: Snapshot, taken: ReadonlySet<Ip> = new Set()) {
    this.snapshot = snapshot
    this.#taken = taken
    this.#netns = new Map(snapshot.netns.map((n) => [n.name, n]))
  }

  netns(name: string | undefined): NetnsSnapshot | undefined {
    return name === undefined ? undefined : this.#netns.get(name)
  }

  link(netns: string, name: string | undefined): LinkSnapshot | undefined {
    return this.netns(netns)?.links.find((l) => l.name === name)
  }

  /** What a macvlan, ipvlan or vlan sits on; the other end of a veth. */
  parentOf(link: LinkSnapshot): LinkAt | undefined {
    const ref = link.parent
    if (ref?.netns === undefined || ref.name === undefined) return undefined
    const parent = this.netns(ref.netns)?.links.find((l) => l.index === ref.index)
    return parent === undefined ? undefined : { netns: ref.netns, link: parent }
  }

  /** Everything that sits on a link, wherever it is. */
  childrenOf(netns: string, link: LinkSnapshot): LinkAt[] {
    return this.links().filter(
      (at) =>
        at.link.kind !== 'veth' &&
        at.link.parent?.netns === netns &&
        at.link.parent.index === link.index,
    )
  }

  links(): LinkAt[] {
    return this.snapshot.netns.flatMap((n) => n.links.map((link) => ({ netns: n.name, link })))
  }

  /** The macvlan and ipvlan links of a namespace. */
  childLinks(netns: string | undefined): LinkSnapshot[] {
    const links = this.netns(netns)?.links ?? []
    return links.filter((l) => l.macvlan !== undefined || l.ipvlan !== undefined)
  }

  /** Addresses of a namespace that others may use, of one family. */
  addresses(netns: string | undefined, family: 4 | 6): AddressSnapshot[] {
    const space = this.netns(netns)
    const loopbacks = new Set(
      space?.links.filter((l) => l.kind === 'loopback').map((l) => l.name) ?? [],
    )
    return (space?.addresses ?? []).filter(
      (a) =>
        familyIs(a.address, family) &&
        a.scope !== 'host' &&
        a.scope !== 'link' &&
        !loopbacks.has(a.link),
    )
  }

  /** Everybody who holds an address. */
  owners(ip: Ip): Owner[] {
    return this.snapshot.netns.flatMap((n) =>
      n.addresses
        .filter((a) => a.address.address === ip)
        .map((a) => ({ netns: n.name, link: a.link, address: a.address })),
    )
  }

  isFree(ip: Ip): boolean {
    return !this.#taken.has(ip) && this.owners(ip).length === 0
  }

  /** The address of a namespace that lies on a subnet with another. */
  addressTowards(netns: string, ip: Ip): AddressSnapshot | undefined {
    const own = this.addresses(netns, typeof ip === 'bigint' ? 6 : 4)
    return own.find((a) => contains(a.address, ip)) ?? own[0]
  }

  sysctl(netns: string, key: string): string | undefined {
    return this.netns(netns)?.sysctls[key]
  }

  forwards(netns: string, family: 4 | 6): boolean {
    const key = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
    return this.sysctl(netns, key) === '1'
  }
}

export function familyIs(prefix: Prefix, family: 4 | 6): boolean {
  return (typeof prefix.address === 'bigint') === (family === 6)
}
