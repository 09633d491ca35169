/** Two hosts with a router between them, as the cases about routing and filtering use it. */
import { formatIp, parseIp } from '../../src/addr/ip.ts'
import { parsePrefix } from '../../src/addr/prefix.ts'
import type { Probe, ProbeResult } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { planOfLine } from '../../src/shell/plan-of.ts'
import { netnsOps } from '../lan.ts'
import type { Bench } from './suite.ts'

/** h1 10.1.0.2 - r 10.1.0.1, 10.2.0.1 - h2 10.2.0.2, and the same with fd01:: and fd02:: */
export class Router {
  readonly bench: Bench

  /** In a world that stands already. */
  constructor(bench: Bench) {
    this.bench = bench
  }

  static async build(bench: Bench): Promise<Router> {
    const r = bench.ns('r')
    const ops: Op[] = [...netnsOps(r, { forward: true })]
    for (const n of [1, 2]) {
      const netns = bench.ns(`h${n}`)
      const peer = { name: 'eth0', netns }
      ops.push(
        ...netnsOps(netns),
        { do: 'link.add', netns: r, name: `p${n}`, spec: { kind: 'veth', peer } },
        ...side(r, `p${n}`, [`10.${n}.0.1/24`, `fd0${n}::1/64`]),
        ...side(netns, 'eth0', [`10.${n}.0.2/24`, `fd0${n}::2/64`]),
        { do: 'route.add', netns, to: parsePrefix('0.0.0.0/0'), via: parseIp(`10.${n}.0.1`) },
        { do: 'route.add', netns, to: parsePrefix('::/0'), via: parseIp(`fd0${n}::1`) },
      )
    }
    await bench.build(ops)
    await bench.fabric.settle({ netns: ['r', 'h1', 'h2'].map((name) => bench.ns(name)) })
    return new Router(bench)
  }

  /** The ops of lines like `r iptables -P FORWARD DROP` and `h1 ip route del default`. */
  static opsOf(bench: Bench, ...lines: readonly string[]): Op[] {
    return lines.flatMap((line) => {
      const [, name = '', command = ''] = /^(\S+) (.*)$/.exec(line) ?? []
      return planOfLine(command, bench.ns(name))
    })
  }

  ops(...lines: readonly string[]): Op[] {
    return Router.opsOf(this.bench, ...lines)
  }

  async rules(...lines: readonly string[]): Promise<void> {
    await this.bench.build(this.ops(...lines))
  }

  /** What lines like `h1 icmp 10.2.0.2` and `h1 tcp 10.2.0.2 80` come to, in a word each. */
  async say(...lines: readonly string[]): Promise<string[]> {
    return (await this.probe(...lines)).map(word)
  }

  /** The same until it is what is wanted: on a busy machine an answer may come too late. */
  async sayAtLast(wanted: readonly string[], ...lines: readonly string[]): Promise<string[]> {
    let said = await this.say(...lines)
    for (let i = 0; i < 4 && said.join() !== wanted.join(); i++) said = await this.say(...lines)
    return said
  }

  /** The same with whoever answered, and what redirects came before: `ttl 63 from 10.2.0.2`. */
  async tell(...lines: readonly string[]): Promise<string[]> {
    return (await this.probe(...lines)).map((result) => {
      const said = word(result)
      if (!('responder' in result)) return said
      const redirects = result.outcome === 'reply' ? (result.redirects ?? []) : []
      const also = redirects.map(({ gateway }) => `, redirected to ${formatIp(gateway)}`).join('')
      return `${said} from ${formatIp(result.responder)}${also}`
    })
  }

  /** Probes like `h1 icmp 10.2.0.2 ttl 1 source 10.1.0.2`, one after the other. */
  async probe(...lines: readonly string[]): Promise<readonly ProbeResult[]> {
    return this.bench.fabric.probe(
      lines.map((line) => this.#probeOf(line)),
      { sequential: true },
    )
  }

  #probeOf(line: string): Probe {
    const [name = '', protocol, to = '', ...rest] = line.split(' ')
    const ttl = rest.includes('ttl') ? { ttl: Number(rest[rest.indexOf('ttl') + 1]) } : {}
    const source = rest.includes('source')
      ? { source: parseIp(rest[rest.indexOf('source') + 1] ?? '') }
      : {}
    const from = this.bench.ns(name)
    const base = { from, to: parseIp(to), timeoutMs: 600, ...ttl, ...source }
    if (protocol === 'arp') return { ...base, protocol, link: 'eth0' }
    if (protocol === 'tcp' || protocol === 'udp')
      return { ...base, protocol, port: Number(rest[0]) }
    return { ...base, protocol: 'icmp' }
  }

  /** Packets each rule of a chain has met. */
  async counts(name: string, chain: string): Promise<number[]> {
    const { netns } = await this.bench.fabric.snapshot({ netns: [this.bench.ns(name)] })
    const found = netns[0]?.filters?.find((one) => one.chain === chain && one.rules.length > 0)
    return found?.rules.map(({ packets }) => packets) ?? []
  }

  /** h2 does not know the way back. */
  async oneWay(): Promise<void> {
    const netns = this.bench.ns('h2')
    await this.bench.build([
      { do: 'route.del', netns, to: parsePrefix('0.0.0.0/0') },
      { do: 'route.del', netns, to: parsePrefix('::/0') },
    ])
  }
}

export function side(netns: string, link: string, addresses: readonly string[]): Op[] {
  return [
    { do: 'link.set', netns, name: link, up: true },
    ...addresses.map(
      (text): Op => ({ do: 'address.add', netns, link, address: parsePrefix(text), nodad: true }),
    ),
  ]
}

export function word(result: ProbeResult): string {
  switch (result.outcome) {
    case 'reply':
      return result.ttl === undefined ? 'open' : `ttl ${result.ttl}`
    case 'icmp-error': {
      const also = result.sendErrno === undefined ? '' : ` ${result.sendErrno}`
      return `${result.type}/${result.code}${also}`
    }
    case 'errno':
      return result.errno
    case 'timeout':
      return 'timeout'
  }
}
