/**
 * What the doors work with while the store is away: an island, a store in memory that knows of this
 * host only, and whose free addresses are the spares. What is made there is written down before it
 * is answered; when the store is back, land.ts tells it.
 */
import { familyOf, type Ip, parseIp } from '../addr/ip.ts'
import { addressKey, endpointKey as leaseKey, macKey, segmentKey } from '../ipam/keys.ts'
import { encodeSegment } from '../ipam/segment.ts'
import { parseMac } from '../addr/mac.ts'
import { Memory, openMemoryStore } from '../store/memory.ts'
import type { Store, Write } from '../store/store.ts'
import { Addresses } from './addresses.ts'
import type { Context } from './context.ts'
import { Introductions } from './introduce.ts'
import { endpointKey, hereKey, NETWORKS } from './records.ts'
import type { Self } from './self.ts'
import type { Spares } from './spares.ts'

export class Island {
  readonly #main: () => Context
  readonly #spares: Spares
  readonly #self: Self
  #opened: Promise<Context> | undefined

  constructor(main: () => Context, spares: Spares, self: Self) {
    this.#main = main
    this.#spares = spares
    this.#self = self
  }

  /** Made from what is known of this host, where it is not there yet. */
  async open(): Promise<Context> {
    this.#opened ??= this.#make()
    const island = await this.#opened
    await this.#openPools(island.store)
    return island
  }

  /** The store knows it all. */
  close(): void {
    this.#opened = undefined
    this.#spares.land()
  }

  async #make(): Promise<Context> {
    const main = this.#main()
    const memory = new Memory()
    const inner = openMemoryStore({ memory, nowMs: main.now, history: 1 })
    for (const then of this.#seeds(main)) await inner.transact({ when: [], then })
    const self = await this.#self.beside(inner)
    const made: { context?: Promise<Context> } = {}
    const store: Store = {
      get: (key) => inner.get(key),
      range: (prefix, options) => inner.range(prefix, options),
      transact: async (transaction) => {
        const result = await inner.transact(transaction)
        if (this.#opened === made.context) this.#spares.written(rowsOf(memory))
        return result
      },
      watch: (...args) => inner.watch(...args),
      revision: () => inner.revision(),
      close: () => inner.close(),
    }
    const host = {
      id: self.id,
      slot: 0,
      random: () => 0,
      guards: () => self.guards(),
      refused: () => self.refresh(),
      nameOf: async (id: string) => id,
    }
    const rests = { cooldownSeconds: 0, memorySeconds: 0 }
    const addresses = new Addresses(store, main.now, host, rests)
    const alone = { copy: undefined, spares: undefined, island: undefined }
    const context = { ...main, ...alone, store, addresses, self }
    made.context = this.#opened
    return Object.assign(context, { introductions: new Introductions((): Context => context) })
  }

  #seeds({ copy, self }: Context): readonly (readonly Write[])[] {
    const entries = copy?.entries ?? {}
    const gone = new Set(copy?.releases.map(({ network, name }) => `${network}/${name}`))
    const known = Object.entries(entries).flatMap(([key, value]): Write[][] => {
      const [kind, , network = '', name = ''] = key.split('/')
      if (kind !== 'here') return [[{ put: key, value }]]
      if (gone.has(`${network}/${name}`)) return []
      return [
        [
          { put: key, value },
          { put: endpointKey(network, name), value },
        ],
      ]
    })
    const own = this.#spares.endpoints.map(([key, record]) =>
      this.#rowsOf(key, record, self?.id ?? '', entries),
    )
    return [...known, ...own]
  }

  /** What the island would have of an endpoint that another process made on it. */
  #rowsOf(
    key: string,
    record: string,
    host: string,
    entries: Readonly<Record<string, string>>,
  ): Write[] {
    const [network = '', name = ''] = key.split('/')
    const { mac } = JSON.parse(record) as { readonly mac: string }
    const spares = this.#spares.takenBy(record)
    const [{ segment } = { segment: '' }] = spares
    const { kind } = JSON.parse(entries[NETWORKS + network] ?? '{}') as { readonly kind?: string }
    const borne = kind === 'ipvlan' ? {} : { mac }
    const at = new Date(0).toISOString()
    const lease = { addresses: spares.map((one) => one.address), ...borne, at, host }
    const holder = JSON.stringify({ network, endpoint: name, ...borne, at, host })
    const keys = spares.map((one) => addressKey('ip', segment, parseIp(one.address)))
    if (kind !== 'ipvlan') keys.push(macKey(segment, parseMac(mac)))
    return [
      { put: endpointKey(network, name), value: record },
      { put: hereKey(host, network, name), value: record },
      { put: leaseKey('end', segment, network, name), value: JSON.stringify(lease) },
      ...keys.map((put) => ({ put, value: holder })),
    ]
  }

  /** Each spare is a pool of one address: nothing else can be handed out here. */
  async #openPools(store: Store): Promise<void> {
    const { list } = this.#spares
    for (const segment of new Set(list.map((one) => one.segment))) {
      const networks = new Map<string, { subnet: { address: Ip; length: number }; exclude: [] }[]>()
      for (const { network, address } of list.filter((one) => one.segment === segment)) {
        const ip = parseIp(address)
        const subnet = { address: ip, length: familyOf(ip) === 4 ? 32 : 128 }
        networks.set(network, [...(networks.get(network) ?? []), { subnet, exclude: [] }])
      }
      const [key, value] = [segmentKey(segment), encodeSegment(networks)]
      if ((await store.get(key))?.value === value) continue
      await store.transact({ when: [], then: [{ put: key, value }] })
    }
  }
}

/** Keys and values of an embedded store (embedded.ts). */
function rowsOf(memory: Memory): ReadonlyMap<string, string> {
  const rows = new Map<string, string>()
  for (const [key, row] of memory.range('e', 'f', Number.MAX_SAFE_INTEGER))
    rows.set(key.slice(1), (row as readonly [string])[0])
  return rows
}
