/** A LAN as the cases use it: one switch, hosts `h1..`, children, and who reaches whom. */
import type { MacvlanOptions, Op, PortOptions } from '../../src/fabric/plan.ts'
import { addressOps, cableOps, childOps, LAN4, LAN6, netnsOps, switchOps } from '../lan.ts'
import type { Bench } from './suite.ts'

export interface LanSpec {
  /** Host -> options of its switch port. The host's address ends in its number: h1 is .1 */
  readonly hosts: Readonly<Record<string, PortOptions>>
  /** Child -> where it sits and how; its address ends in `last`. */
  readonly children: Readonly<
    Record<string, { readonly on: string; readonly last: number } & MacvlanOptions>
  >
}

export class Lan {
  readonly #bench: Bench
  readonly #last = new Map<string, number>()

  private constructor(bench: Bench) {
    this.#bench = bench
  }

  static async build(bench: Bench, spec: LanSpec): Promise<Lan> {
    const lan = new Lan(bench)
    const sw = bench.ns('sw')
    const ops: Op[] = [...netnsOps(sw, { ip6: false }), ...switchOps(sw, 0x020000000e00)]
    for (const [name, port] of Object.entries(spec.hosts)) ops.push(...lan.#host(sw, name, port))
    for (const [name, { on, last, ...macvlan }] of Object.entries(spec.children)) {
      const netns = bench.ns(name)
      lan.#last.set(name, last)
      ops.push(
        ...netnsOps(netns),
        ...childOps({ netns, parentNetns: bench.ns(on), mac: 0x020000000a00 + last, macvlan }),
        ...addressOps(netns, 'm0', last),
        { do: 'link.set', netns, name: 'm0', up: true },
      )
    }
    await bench.build(ops)
    await bench.fabric.settle({ netns: ['sw', ...lan.#last.keys()].map((name) => bench.ns(name)) })
    return lan
  }

  #host(sw: string, name: string, port: PortOptions): Op[] {
    const netns = this.#bench.ns(name)
    const number = Number(name.slice(1))
    this.#last.set(name, number)
    return [
      ...netnsOps(netns),
      ...cableOps({
        sw,
        port: `p${number}`,
        portMac: 0x020000000d00 + number,
        netns,
        mac: 0x020000000b00 + number,
      }),
      { do: 'link.set', netns: sw, name: `p${number}`, port },
      ...addressOps(netns, 'eth0', number),
      { do: 'link.set', netns, name: 'eth0', up: true },
    ]
  }

  /** Every ordered pair, each ping from flushed tables: `a>b` -> ttl, or undefined. */
  async matrix(family: 4 | 6 = 4): Promise<Record<string, number | undefined>> {
    const cells: Record<string, number | undefined> = {}
    for (const from of this.#last.keys())
      for (const to of this.#last.keys())
        if (from !== to) cells[`${from}>${to}`] = await this.ping(from, to, family)
    return cells
  }

  /** TTL of the answer to one ping from flushed tables, or undefined. */
  async ping(from: string, to: string, family: 4 | 6 = 4): Promise<number | undefined> {
    await this.flush()
    return this.pingWarm(from, to, family)
  }

  /** The same with the tables as they are. */
  async pingWarm(from: string, to: string, family: 4 | 6 = 4): Promise<number | undefined> {
    const last = this.#last.get(to) as number
    const [result] = await this.#bench.fabric.probe([
      {
        from: this.#bench.ns(from),
        to: family === 4 ? LAN4 + last : LAN6 + BigInt(last),
        protocol: 'icmp',
        timeoutMs: 700,
      },
    ])
    return result?.outcome === 'reply' ? result.ttl : undefined
  }

  async flush(): Promise<void> {
    const { fabric, ns } = this.#bench
    await fabric.apply([
      ...[...this.#last.keys()].map((name): Op => ({ do: 'neighbour.flush', netns: ns(name) })),
      { do: 'fdb.flush', netns: ns('sw'), bridge: 'br0' },
    ])
  }
}
