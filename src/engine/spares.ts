/**
 * The spares of this host, and what became of them while the store was away.
 *
 * Which spares it holds is written down here, and so is, before anything uses it, which endpoint
 * took one. Whatever this host does to a spare in the store, it first writes down that it is not to
 * be taken any more: what it asked for may be done long after. So a spare that may be taken is one
 * that nothing on its way to the store can free.
 */
import { familyOf, formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import { ipOfHex, lastWord, segmentOfKey } from '../ipam/keys.ts'
import type { CopyFile } from './host-copy.ts'
import { stableMac } from './identity.ts'
import { endpointKey, type NetworkRecord } from './records.ts'

export interface SparesOptions {
  /** What is written down; beside the store, for one process at a time. */
  readonly file: CopyFile
  /** How many addresses of each family to hold in each network. Default 4. */
  readonly count?: number
  /** Of networks with fewer addresses none are held. Default 64. */
  readonly least?: number
}

export interface Spare {
  readonly segment: string
  readonly network: string
  readonly address: string
  /**
   * `asked`: the store may know of it by now; `held`: it may be taken; `going`: it is given back,
   * and never taken any more, whenever the store does that.
   */
  readonly state: 'asked' | 'held' | 'going'
  /** An endpoint has had it. */
  readonly used?: boolean
  /** The store may know of that: who lets go of it does so for good. */
  readonly told?: boolean
}

interface Kept {
  readonly spares: readonly Spare[]
  /** Endpoints that the store does not know yet: `NETWORK/NAME`, and the record. */
  readonly endpoints: Readonly<Record<string, string>>
}

const isOf =
  (network: string, address: Ip) =>
  (one: Spare): boolean =>
    one.network === network && one.address === formatIp(address)

const keyOf = ({ segment, address }: Pick<Spare, 'segment' | 'address'>): string =>
  `${segment}/${address}`

export class Spares {
  readonly count: number
  readonly least: number
  /** The store does not answer, as far as is known. */
  away = false
  /** The store was asked, by this process, and those that are held are still this host's. */
  trusted = false
  readonly #file: CopyFile
  #kept: Kept
  /** Addresses that an endpoint on the island has, that are claimed there, and that are being. */
  #used = new Set<string>()
  #claimed = new Set<string>()
  readonly #busy = new Set<string>()

  constructor({ file, count = 4, least = 64 }: SparesOptions) {
    this.#file = file
    this.count = count
    this.least = least
    this.#kept = decode(file.read())
    for (const address of Object.values(this.#kept.endpoints).flatMap(addressesIn))
      for (const spare of this.list) if (spare.address === address) this.#used.add(keyOf(spare))
  }

  get list(): readonly Spare[] {
    return this.#kept.spares
  }

  /** Endpoints that the store does not know yet: `NETWORK/NAME`, and the record. */
  get endpoints(): readonly (readonly [string, string])[] {
    return Object.entries(this.#kept.endpoints)
  }

  holds(network: string, name: string): boolean {
    return `${network}/${name}` in this.#kept.endpoints
  }

  /** Those an endpoint took. */
  takenBy(record: string): readonly Spare[] {
    return this.list.filter((one) => addressesIn(record).includes(one.address))
  }

  /** Where an endpoint is that the store does not know yet. */
  sandboxOf(network: string, name: string): string | undefined {
    const record = this.#kept.endpoints[`${network}/${name}`]
    return record === undefined
      ? undefined
      : (JSON.parse(record) as { readonly sandbox: string }).sandbox
  }

  /** Whether anything can be done here for a network while the store is away. */
  serves(network: string): boolean {
    const isHeld = (one: Spare): boolean => one.network === network && one.state === 'held'
    return this.trusted && this.list.some(isHeld)
  }

  /** Whether it was claimed while the store was away. */
  isClaimed(network: string, address: Ip): boolean {
    const isOne = isOf(network, address)
    return this.list.some((one) => isOne(one) && this.#claimed.has(keyOf(one)))
  }

  /** Adds a spare, or has it in another state; durable when it returns. */
  set(spare: Spare): void {
    this.#put({ spares: [...this.#without([spare]), spare] })
  }

  /** It is not this host's any more, or never was. */
  drop(...spares: readonly Spare[]): void {
    if (spares.length > 0) this.#put({ spares: this.#without(spares) })
  }

  #without(spares: readonly Spare[]): readonly Spare[] {
    const keys = new Set(spares.map(keyOf))
    return this.list.filter((one) => !keys.has(keyOf(one)))
  }

  /** Spares that nobody has: they are not to be taken any more. Durable when it returns. */
  letGo(which: (spare: Spare) => boolean): readonly Spare[] {
    const gone = this.list.filter((one) => this.#isIdle(one) && which(one))
    if (gone.some((one) => one.state !== 'going')) {
      const going = gone.map((one): Spare => ({ ...one, state: 'going' }))
      this.#put({ spares: [...this.#without(gone), ...going] })
    }
    return this.list.filter((one) => gone.some((other) => keyOf(other) === keyOf(one)))
  }

  #isIdle(spare: Spare): boolean {
    const key = keyOf(spare)
    return !this.#used.has(key) && !this.#claimed.has(key) && !this.#busy.has(key)
  }

  /**
   * Spares for an endpoint, one of each family, or those that are wanted.
   *
   * @param claimed the wanted ones may be claimed: they are for this endpoint
   * @throws LanyardError `spare-refused`
   */
  pick(
    network: NetworkRecord,
    families: readonly (4 | 6)[],
    wanted: readonly Ip[] = [],
    claimed = false,
  ): Picked {
    const held = this.list.filter(
      (one) =>
        one.network === network.name && one.segment === network.segment && one.state === 'held',
    )
    const free = held.filter((one) => this.#isIdle(one))
    const picked = wanted.map((ip) => {
      const address = formatIp(ip)
      const found = held.find((one) => one.address === address)
      const mine = claimed && found !== undefined && this.#claimed.has(keyOf(found))
      if (found !== undefined && (mine || free.includes(found))) return found
      const others = free.map((one) => one.address).join(', ')
      const which = others === '' ? '' : ` (${others})`
      throw refused(network.name, `${address} is not among this host's free spares of it${which}`)
    })
    for (const family of families) {
      if (wanted.some((ip) => familyOf(ip) === family)) continue
      const found = free.find((one) => familyOf(parseIp(one.address)) === family)
      if (found === undefined)
        throw refused(network.name, `all ${held.length} spares that this host has of it are in use`)
      picked.push(found)
    }
    const keys = picked.map(keyOf)
    for (const key of keys) this.#busy.add(key)
    const done = (): void => keys.forEach((key) => this.#busy.delete(key))
    return { addresses: picked.map((one) => parseIp(one.address)), done }
  }

  /** It is on the LAN already, as somebody else's: it is no use. */
  spoil(network: string, address: Ip): void {
    for (const one of this.list.filter(isOf(network, address))) this.set({ ...one, state: 'going' })
  }

  /** From now on the store may know that these were taken: who lets go of one does so for good. */
  tell(network: string, addresses: readonly Ip[]): void {
    const isOne = (one: Spare): boolean => addresses.some((ip) => isOf(network, ip)(one))
    if (!this.list.some((one) => isOne(one) && one.told !== true)) return
    this.#put({ spares: this.list.map((one) => (isOne(one) ? { ...one, told: true } : one)) })
  }

  /** The store knows everything: what was taken is the endpoints' own. */
  land(): void {
    this.away = false
    if (this.#used.size === 0 && this.#claimed.size === 0 && this.endpoints.length === 0) return
    const spares = this.list.filter((one) => !this.#used.has(keyOf(one)))
    this.#used = new Set()
    this.#claimed = new Set()
    this.#put({ spares, endpoints: {} })
  }

  /** Something changed on the island: what must outlive this process is written down. */
  written(rows: ReadonlyMap<string, string>): void {
    const under = (prefix: string): string[] => [...rows.keys()].filter((k) => k.startsWith(prefix))
    const places = (prefix: string): Set<string> =>
      new Set(
        under(prefix).map((key) => `${segmentOfKey(key)}/${formatIp(ipOfHex(lastWord(key)))}`),
      )
    this.#used = places('ipam/ip/')
    this.#claimed = places('ipam/rsv/')
    const endpoints: Record<string, string> = {}
    for (const key of under('ipam/end/')) {
      const [, , , network = '', name = ''] = key.split('/').map(decodeURIComponent)
      const record = rows.get(endpointKey(network, name))
      if (record !== undefined) endpoints[`${network}/${name}`] = record
    }
    const spares = this.list.map((one): Spare => {
      if (this.#used.has(keyOf(one))) return { ...one, used: true }
      return one.told === true && one.state === 'held' ? { ...one, state: 'going' } : one
    })
    const kept: Kept = { spares, endpoints }
    if (JSON.stringify(kept) !== JSON.stringify(this.#kept)) this.#put(kept)
  }

  #put(changes: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...changes }
    this.#file.write(JSON.stringify(this.#kept))
  }
}

export interface Picked {
  readonly addresses: readonly Ip[]
  /** The island knows by now whether they are used. */
  done(): void
}

export const refused = (network: string, why: string): LanyardError =>
  new LanyardError('spare-refused', { network, why })

/** Families a network has addresses of. */
export function familiesOf({ pools }: NetworkRecord): readonly (4 | 6)[] {
  return ([4, 6] as const).filter((family) =>
    pools.some(({ subnet }) => familyOf(subnet.address) === family),
  )
}

/** The MAC that an address brings along: a spare holds both. */
export const macOfSpare = ({ id }: { readonly id: string }, segment: string, address: Ip): number =>
  stableMac(id, segment, formatIp(address))

const addressesIn = (record: string): readonly string[] =>
  (JSON.parse(record) as { readonly addresses: readonly string[] }).addresses.map(
    (text) => text.split('/')[0] ?? '',
  )

function decode(text: string | undefined): Kept {
  const nothing: Kept = { spares: [], endpoints: {} }
  return text === undefined ? nothing : { ...nothing, ...(JSON.parse(text) as Partial<Kept>) }
}
