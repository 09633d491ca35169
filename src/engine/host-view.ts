/**
 * What the host's namespace looks like, remembered between requests: with thousands of endpoints a
 * snapshot holds a route each, and no connect should pay for that. Whatever changes a link or an
 * address of the host makes it forget.
 */
import { type Ip, isLinkLocalIp } from '../addr/ip.ts'
import { HAND_OVER_PREFIX, PORT_PREFIX } from '../driver/names.ts'
import type { Fabric, FabricEvent } from '../fabric/fabric.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../fabric/snapshot.ts'

const EMPTY = {
  links: [],
  addresses: [],
  routes: [],
  rules: [],
  neighbours: [],
  fdb: [],
  vlans: [],
  sysctls: {},
} as const

export class HostView {
  readonly #fabric: Fabric
  readonly host: string
  #known: Promise<NetnsSnapshot> | undefined
  /** Links of the last snapshot, to tell news from repetition. */
  #links = new Map<string, LinkSnapshot>()

  constructor(fabric: Fabric, host: string) {
    this.#fabric = fabric
    this.host = host
  }

  forget(): void {
    this.#known = undefined
  }

  snapshot(): Promise<NetnsSnapshot> {
    this.#known ??= this.#take()
    return this.#known
  }

  async link(name: string): Promise<LinkSnapshot | undefined> {
    return (await this.snapshot()).links.find((link) => link.name === name)
  }

  /** The host's own addresses on a link, those it is spoken to by. */
  async own(link: string): Promise<readonly Ip[]> {
    const { addresses } = await this.snapshot()
    return addresses
      .filter((a) => a.link === link && a.scope === 'global' && !isLinkLocalIp(a.address.address))
      .map((a) => a.address.address)
  }

  /** The link that holds an address, if the host does. */
  async holderOf(ip: Ip): Promise<string | undefined> {
    const { addresses } = await this.snapshot()
    return addresses.find((a) => a.address.address === ip)?.link
  }

  /** @returns whether the event tells something new about links that are not endpoints' */
  onEvent(event: FabricEvent): boolean {
    if (event.what === 'overrun' || event.what === 'address') {
      this.forget()
      return true
    }
    if (event.what !== 'link') return false
    const known = this.#links.get(event.name)
    const same =
      event.change === 'new' &&
      known?.index === event.index &&
      known.up === event.up &&
      known.carrier === event.carrier
    if (same) return false
    this.forget()
    // The host's end of an endpoint's veth comes and goes with it, and so does what is handed over.
    return !event.name.startsWith(PORT_PREFIX) && !event.name.startsWith(HAND_OVER_PREFIX)
  }

  async #take(): Promise<NetnsSnapshot> {
    const taken = (await this.#fabric.snapshot({ netns: [this.host] })).netns[0]
    const snapshot = taken ?? { name: this.host, ...EMPTY }
    this.#links = new Map(snapshot.links.map((link) => [link.name, link]))
    return snapshot
  }
}
