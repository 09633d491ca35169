/**
 * A LAN for the engine, on any fabric: a switch, the host whose card `eth0` the networks hang on, a
 * foreign host `peer` (.9) and the gateway `gw` (.1). 10.9.0.0/24, host .2.
 */
import { expect } from 'vitest'
import type { Ip } from '../../src/addr/ip.ts'
import { formatMac, type Mac } from '../../src/addr/mac.ts'
import { type EngineOptions, type HostEngine, openEngine } from '../../src/engine/engine.ts'
import type { ConnectRequest, EngineEvent, NetworkSpec } from '../../src/engine/types.ts'
import type { CapturedFrame, Fabric } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { decodeFrame } from '../../src/wire/codec.ts'
import { ETH_ARP, ETH_IP6 } from '../../src/wire/frame.ts'
import { ALL_NODES } from '../../src/wire/make.ts'
import type { Bench } from '../conformance/suite.ts'
import { addressOps, cableOps, LAN4, LAN6, netnsOps, switchOps } from '../lan.ts'

export const HOST_MAC = 0x020000000b02
export const PEER_MAC = 0x020000000b09

/** Machines on the switch, with the last number of their addresses. */
const LAST = { host: 2, peer: 9, gw: 1 } as const
type Machine = keyof typeof LAST
const MACHINES = Object.keys(LAST) as Machine[]

interface Announcement {
  readonly ip: Ip
  readonly mac: Mac
  readonly timeNs: number
}

interface Announcements {
  readonly all: readonly Announcement[]
  close(): void
}

export class EngineWorld {
  readonly bench: Bench
  readonly store: Store = openMemoryStore()
  readonly events: EngineEvent[] = []
  readonly #open: HostEngine[] = []
  #seed = 1

  constructor(bench: Bench) {
    this.bench = bench
  }

  /** Runs a case in a fresh world and closes its engines, also on failure. */
  static async run(bench: Bench, body: (world: EngineWorld) => Promise<void>): Promise<void> {
    const world = new EngineWorld(bench)
    try {
      await world.#build()
      await body(world)
    } finally {
      for (const engine of world.#open) await engine.close()
    }
  }

  get fabric(): Fabric {
    return this.bench.fabric
  }

  get host(): string {
    return this.bench.ns('host')
  }

  ns(name: string): string {
    return this.bench.ns(name)
  }

  async #build(): Promise<void> {
    const { bench } = this
    const sw = bench.ns('sw')
    const ops: Op[] = [...netnsOps(sw, { ip6: false }), ...switchOps(sw, 0x020000000e00)]
    for (const name of MACHINES) ops.push(...netnsOps(bench.ns(name)), ...this.#card(name))
    await bench.build(ops)
    await this.settle('sw', 'host', 'peer', 'gw')
  }

  /** The card of a machine, its cable and its addresses. */
  #card(name: Machine): Op[] {
    const last = LAST[name]
    const netns = this.ns(name)
    return [
      ...cableOps({
        sw: this.ns('sw'),
        port: `p${last}`,
        portMac: 0x020000000d00 + last,
        netns,
        mac: 0x020000000b00 + last,
      }),
      ...addressOps(netns, 'eth0', last),
      { do: 'link.set', netns, name: 'eth0', up: true },
    ]
  }

  /** The host's card is there again, after it was deleted; waits until an engine knows. */
  async plugIn(engine: HostEngine): Promise<void> {
    await this.fabric.apply(this.#card('host'))
    await this.waitFor(() => this.events.some((event) => event.what === 'parent-back'))
    await engine.idle()
  }

  async settle(...names: readonly string[]): Promise<void> {
    await this.fabric.settle({ netns: names.map((name) => this.ns(name)) })
  }

  /** An engine on this world's store; a second one is what comes after a crash. */
  async open(options: Partial<EngineOptions> = {}): Promise<HostEngine> {
    const engine = await openEngine({
      fabric: this.fabric,
      store: this.store,
      host: this.host,
      random: (count) => this.#random(count),
      now: () => 1_700_000_000_000,
      ...options,
    })
    engine.onEvent((event) => this.events.push(event))
    this.#open.push(engine)
    return engine
  }

  /** What is left of a process that died in the middle of something: nothing waits for it. */
  kill(engine: HostEngine): void {
    this.#open.splice(this.#open.indexOf(engine), 1)
    void engine.close()
  }

  #random(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => (this.#seed = (this.#seed * 75 + 74) % 65537))
  }

  /** Empty namespaces for endpoints. */
  async sandboxes(...names: readonly string[]): Promise<void> {
    await this.bench.build(...names.map((name) => netnsOps(this.ns(name))))
  }

  /** A network on the host's card. */
  network(changes: Partial<NetworkSpec> = {}): NetworkSpec {
    return {
      name: 'lan',
      kind: 'macvlan',
      parent: 'eth0',
      pools: [
        {
          subnet: { address: LAN4, length: 24 },
          range: { first: LAN4 + 64, last: LAN4 + 95 },
          gateway: LAN4 + 1,
          exclude: [],
        },
      ],
      hostAccess: true,
      internal: false,
      check: 'auto',
      attach: 'child',
      labels: {},
      ...changes,
    }
  }

  /** The same with IPv6. */
  dual(changes: Partial<NetworkSpec> = {}): NetworkSpec {
    const six = {
      subnet: { address: LAN6, length: 64 },
      range: { first: LAN6 + 64n, last: LAN6 + 95n },
      gateway: LAN6 + 1n,
      exclude: [],
    }
    return this.network({ pools: [...this.network().pools, six], ...changes })
  }

  request(endpoint: string, changes: Partial<ConnectRequest> = {}): ConnectRequest {
    return { network: 'lan', endpoint, sandbox: this.ns(endpoint), ...changes }
  }

  /** TTL of the answer to a ping from emptied tables; undefined when there is none. */
  async ping(from: string, to: Ip): Promise<number | undefined> {
    await this.fabric.apply([{ do: 'neighbour.flush', netns: this.ns(from) }])
    const [result] = await this.fabric.probe([
      { protocol: 'icmp', from: this.ns(from), to, timeoutMs: 700 },
    ])
    return result?.outcome === 'reply' ? result.ttl : undefined
  }

  /** Waits, on the fabric's clock, until something told from outside has come. */
  async waitFor(is: () => boolean): Promise<void> {
    for (let i = 0; i < 300 && !is(); i++) {
      await this.fabric.clock.sleep(20)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(is()).toBe(true)
  }

  /** What a host hears said unasked of where addresses are: ARP and neighbour advertisements. */
  async announcements(at: string): Promise<Announcements> {
    const all: Announcement[] = []
    const hear = ({ bytes, timeNs }: CapturedFrame) => {
      const packet = decodeFrame(bytes)?.packet
      if (packet?.kind === 'arp' && packet.senderIp === packet.targetIp)
        all.push({ ip: packet.senderIp, mac: packet.senderMac, timeNs })
      if (packet?.kind !== 'ip6' || packet.payload.kind !== 'nd') return
      const { type, target, linkAddress } = packet.payload
      if (type === 136 && packet.dst === ALL_NODES)
        all.push({ ip: target, mac: linkAddress ?? 0, timeNs })
    }
    const ports: { close(): void }[] = []
    for (const etherType of [ETH_ARP, ETH_IP6])
      ports.push(await this.fabric.openPort(this.ns(at), 'eth0', hear, { etherType }))
    return { all, close: () => ports.forEach((port) => port.close()) }
  }

  macText(mac: number): string {
    return formatMac(mac)
  }

  async snapshot(name: string) {
    const [netns] = (await this.fabric.snapshot({ netns: [this.ns(name)] })).netns
    if (netns === undefined) throw new Error(`no namespace ${name}`)
    return netns
  }
}
