/**
 * Pings between the nodes of a running lab, each from flushed tables.
 *
 * Who reaches whom may depend on who spoke before: a private child behind a hairpin switch answers
 * its host, but cannot speak to it first. So neighbour tables and forwarding tables are flushed
 * before every ping, and only pings run at the same time that share neither a node nor a router.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import { formatIp } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import type { CapturedFrame, Fabric, Probe, ProbeResult, Service } from '../fabric/fabric.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { REASONS, type ReasonCode } from '../fabric/reason.ts'
import { BRIDGE, type Naming } from './plan.ts'
import { decodeFrame } from '../wire/codec.ts'
import type { Ip4Packet, Ip6Packet } from '../wire/frame.ts'
import { nodesOf, type Topology } from './topology.ts'

/** Answers inside one machine take less than a millisecond; a busy one may need more. */
export const TIMEOUT_MS = 500

/** Who pings what. */
export interface Pair {
  readonly from: string
  /** The node pinged; undefined for a bare address. */
  readonly to: string | undefined
  readonly target: Ip
  /** Source address, when an expectation names the link. */
  readonly source: Ip | undefined
  /** A port to connect or send to in place of a ping. */
  readonly service?: Service
  /** How long to wait; default {@link TIMEOUT_MS}. */
  readonly withinMs?: number
  /** Whether the way is looked at, too. */
  readonly hops?: true
  /** Whether the other side looks who comes. */
  readonly look?: true
}

/** What a ping met. */
export interface Cell extends Pair {
  readonly ok: boolean
  readonly ttl: number | undefined
  readonly rttNs: number | undefined
  /** Why it failed; undefined when it worked. */
  readonly why: Why | undefined
  /** The routers on the way, where asked for: node names, or addresses nobody of the lab has. */
  readonly way?: readonly string[]
  /** The source address that the other side saw, where asked for. */
  readonly seen?: Ip
}

export interface Why {
  /** The simulator knows the rule that ended it. */
  readonly code: ReasonCode | undefined
  /** Where: `NODE:LINK`; undefined on a kernel. */
  readonly at: string | undefined
  readonly text: string
}

/** Finds the reason of a failed ping; the simulator has one, a kernel does not. */
export type FindReason = (pair: Pair) => Promise<Ended | undefined>

/** A reason and the place it applied, `NODE:LINK`. */
export interface Ended {
  readonly code: ReasonCode
  readonly at: string
}

export class Prober {
  readonly #fabric: Fabric
  readonly #naming: Naming
  readonly #topology: Topology
  readonly #reason: FindReason | undefined
  readonly #known = new Map<string, Cell>()

  constructor(fabric: Fabric, naming: Naming, topology: Topology, reason?: FindReason) {
    this.#fabric = fabric
    this.#naming = naming
    this.#topology = topology
    this.#reason = reason
  }

  /**
   * The cells of these pairs, in order; a pair already pinged is not pinged again.
   * @param stop asked before every batch; ends the work early by throwing
   */
  async cells(pairs: readonly Pair[], stop: () => Promise<void>): Promise<Cell[]> {
    const missing = new Map(pairs.map((pair) => [keyOf(pair), pair]))
    for (const key of this.#known.keys()) missing.delete(key)
    for (const batch of this.#batches([...missing.values()])) {
      await stop()
      await this.#fabric.apply(flushPlan(this.#topology, this.#naming))
      const looks = await Promise.all(batch.map((pair) => this.#look(pair)))
      const results = await this.#fabric.probe(batch.map((pair) => probeOf(pair, this.#naming)))
      for (const look of looks) look?.close()
      for (const [i, pair] of batch.entries()) {
        const cell = await this.#cell(pair, results[i] as ProbeResult, stop)
        const seen = looks[i]?.seen()
        this.#known.set(keyOf(pair), seen === undefined ? cell : { ...cell, seen })
      }
    }
    return pairs.map((pair) => this.#known.get(keyOf(pair)) as Cell)
  }

  async #cell(pair: Pair, result: ProbeResult, stop: () => Promise<void>): Promise<Cell> {
    if (result.outcome === 'reply') {
      const cell = { ...pair, ok: true, ttl: result.ttl, rttNs: result.rttNs, why: undefined }
      return pair.hops === true ? { ...cell, way: await this.#way(pair, stop) } : cell
    }
    // The other side itself has spoken: nothing ended on the way.
    if (result.outcome === 'errno' && result.errno === 'ECONNREFUSED') {
      const why = { code: 'PORT_CLOSED', at: pair.to, text: REASONS.PORT_CLOSED.says } as const
      return { ...pair, ok: false, ttl: undefined, rttNs: undefined, why }
    }
    let end: Ended | undefined
    if (this.#reason !== undefined) {
      await stop()
      await this.#fabric.apply(flushPlan(this.#topology, this.#naming))
      end = await this.#reason(pair)
    }
    const text = end === undefined ? await this.#failure(pair, result) : REASONS[end.code].says
    const why = { code: end?.code, at: end?.at, text }
    return { ...pair, ok: false, ttl: undefined, rttNs: undefined, why }
  }

  /**
   * The routers on the way, as traceroute finds them: each answers for the ping that it lets die.
   * Routers answer few such pings at a time (`icmp_ratelimit`), so a silent one is asked again.
   */
  async #way(pair: Pair, stop: () => Promise<void>): Promise<readonly string[]> {
    let holders: ReadonlyMap<Ip, string> | undefined
    const way: string[] = []
    for (let ttl = 1; ttl <= HOPS_MAX; ttl++) {
      let result: ProbeResult | undefined
      for (let attempt = 0; attempt < HOP_ATTEMPTS; attempt++) {
        await stop()
        await this.#fabric.apply(flushPlan(this.#topology, this.#naming))
        const { service: _, ...ping } = pair
        const probe = { ...probeOf(ping, this.#naming), ttl, timeoutMs: HOP_TIMEOUT_MS }
        const results = await this.#fabric.probe([probe])
        result = results[0]
        if (result?.outcome !== 'timeout') break
      }
      if (result?.outcome !== 'icmp-error') return way
      const { responder } = result
      holders ??= await this.#holders()
      way.push(holders.get(responder) ?? formatIp(responder))
    }
    return way
  }

  /** Looks at the other side for the source of what comes. */
  async #look(pair: Pair): Promise<{ close(): void; seen(): Ip | undefined } | undefined> {
    if (pair.look !== true || pair.to === undefined) return undefined
    const netns = `${this.#naming.prefix}${pair.to}`
    let seen: Ip | undefined
    const take = ({ bytes, type }: CapturedFrame): void => {
      const packet = type === 'outgoing' ? undefined : decodeFrame(bytes)?.packet
      if (packet?.kind !== 'ip4' && packet?.kind !== 'ip6') return
      if (isSent(packet, pair)) seen ??= packet.src
    }
    const { netns: found } = await this.#fabric.snapshot({ netns: [netns] })
    const links = found.flatMap((n) => n.links.map((l) => l.name)).filter((l) => l !== 'lo')
    const ports = await Promise.all(links.map((l) => this.#fabric.openPort(netns, l, take)))
    return {
      close: () => {
        for (const port of ports) port.close()
      },
      seen: () => seen,
    }
  }

  /** Who has which address now: commands may have added some. */
  async #holders(): Promise<ReadonlyMap<Ip, string>> {
    const { hosts, containers } = this.#topology
    const { prefix } = this.#naming
    const names = [...hosts, ...containers].map((n) => `${prefix}${n.name}`)
    const { netns } = await this.#fabric.snapshot({ netns: names })
    return new Map(
      netns.flatMap((n) =>
        n.addresses.map((a) => [a.address.address, n.name.slice(prefix.length)] as const),
      ),
    )
  }

  /** What can be told without a trace: whether it was the neighbour that did not answer. */
  async #failure(pair: Pair, result: Failed): Promise<string> {
    if (result.outcome !== 'timeout') return failureText(result)
    const netns = `${this.#naming.prefix}${pair.from}`
    const { netns: found } = await this.#fabric.snapshot({ netns: [netns] })
    const asked = found[0]?.neighbours.filter((n) => ['incomplete', 'failed'].includes(n.state))
    const question = typeof pair.target === 'number' ? 'ARP' : 'neighbour discovery'
    if (asked?.some((n) => n.ip === pair.target)) return `nobody answers ${question} for it`
    const [other] = asked ?? []
    if (other !== undefined) return `nobody answers ${question} for ${formatIp(other.ip)}`
    return failureText(result)
  }

  /** Pairs that may run together: on one subnet each, and no node in two of them. */
  #batches(pairs: readonly Pair[]): Pair[][] {
    const addresses = new Map(
      nodesOf(this.#topology).map((n) => [n.name, n.addresses.map((a) => a.prefix)]),
    )
    const shared: { pairs: Pair[]; busy: Set<string> }[] = []
    const alone: Pair[][] = []
    for (const pair of pairs) {
      const onLink = (addresses.get(pair.from) ?? []).some((p) => contains(p, pair.target))
      if (pair.to === undefined || !onLink) {
        alone.push([pair])
        continue
      }
      const { from, to } = pair
      let batch = shared.find((b) => !b.busy.has(from) && !b.busy.has(to))
      if (batch === undefined) {
        batch = { pairs: [], busy: new Set() }
        shared.push(batch)
      }
      batch.pairs.push(pair)
      batch.busy.add(from).add(to)
    }
    return [...shared.map((b) => b.pairs), ...alone]
  }
}

function keyOf(pair: Pair): string {
  const { from, source, target, service, withinMs, hops, look } = pair
  const port = service === undefined ? '' : `${service.protocol}/${service.port}`
  return `${from} ${source ?? ''} ${typeof target} ${target} ${port} ${withinMs ?? ''} ${hops} ${look}`
}

/** The probe of a pair. */
export function probeOf(pair: Pair, { prefix }: Naming): Probe {
  const base = {
    from: `${prefix}${pair.from}`,
    to: pair.target,
    // Whoever is late is told apart from whoever does not answer.
    timeoutMs: Math.max(TIMEOUT_MS, pair.withinMs ?? 0),
    ...(pair.source === undefined ? {} : { source: pair.source }),
  }
  return pair.service === undefined
    ? { ...base, protocol: 'icmp' }
    : { ...base, protocol: pair.service.protocol, port: pair.service.port }
}

/** As far as a lab's way is followed. */
const HOPS_MAX = 16
const HOP_ATTEMPTS = 3
const HOP_TIMEOUT_MS = 1000

/** Forgets what the nodes have learned of each other. */
export function flushPlan(topology: Topology, naming: Naming): Plan {
  const nodes = [...topology.hosts, ...topology.containers]
  const routed =
    topology.hosts.some((h) => h.sysctls.some(([key]) => key.includes('forward'))) ||
    // A command line may have made a router.
    [...nodes, ...topology.steps].some(({ run }) => run.length > 0)
  return [
    ...nodes.flatMap(({ name }): Op[] => {
      const netns = `${naming.prefix}${name}`
      const neighbours: Op = { do: 'neighbour.flush', netns }
      // A router's redirects live in the route cache.
      return routed ? [neighbours, { do: 'route.flush-cache', netns }] : [neighbours]
    }),
    ...topology.switches.map(
      ({ name }): Op => ({ do: 'fdb.flush', netns: `${naming.prefix}${name}`, bridge: BRIDGE }),
    ),
  ]
}

/** Whether a packet is what a pair sends. */
function isSent({ payload }: Ip4Packet | Ip6Packet, { service, target }: Pair): boolean {
  if (service === undefined) {
    return payload.kind === 'icmp' && payload.type === (typeof target === 'number' ? 8 : 128)
  }
  return payload.kind === service.protocol
}

const UNREACHABLE_4 = ['network', 'host', 'protocol', 'port']
const UNREACHABLE_6 = ['no route', 'prohibited', 'beyond scope', 'address', 'port']

type Failed = Exclude<ProbeResult, { readonly outcome: 'reply' }>

/** A failed ping in words. */
export function failureText(result: Failed): string {
  if (result.outcome === 'timeout') return 'no answer'
  if (result.outcome === 'errno') return ERRNO[result.errno] ?? result.errno
  const from = `says ${formatIp(result.responder)}`
  const v6 = typeof result.responder === 'bigint'
  if (result.type === (v6 ? 1 : 3)) {
    const what = (v6 ? UNREACHABLE_6 : UNREACHABLE_4)[result.code]
    if (what !== undefined) return `destination unreachable (${what}), ${from}`
  }
  if (result.type === (v6 ? 3 : 11)) return `time to live exceeded, ${from}`
  if (result.mtu !== undefined) return `packet too big, the mtu is ${result.mtu}, ${from}`
  return `ICMP type ${result.type} code ${result.code}, ${from}`
}

const ERRNO: Readonly<Record<string, string>> = {
  ENETUNREACH: 'no route to it (ENETUNREACH)',
  EHOSTUNREACH: 'nobody answered for its address (EHOSTUNREACH)',
  ECONNREFUSED: 'it refuses: nobody listens on the port (ECONNREFUSED)',
  EMSGSIZE: 'the message is too long (EMSGSIZE)',
  EADDRNOTAVAIL: 'the source address is not there (EADDRNOTAVAIL)',
  EPERM: 'not permitted (EPERM)',
}

/** A node's address to ping from a place: on a subnet of that place, else its first one. */
export function addressTowards(
  addresses: readonly Prefix[],
  place: readonly Prefix[],
  family: 4 | 6,
): Ip | undefined {
  const mine = addresses
    .map((a) => a.address)
    .filter((ip) => (typeof ip === 'bigint') === (family === 6))
  return mine.find((ip) => place.some((p) => contains(p, ip))) ?? mine[0]
}
