/**
 * One machine of a lab, as those who sit at it see it: its own namespace is the one they start in,
 * `ip netns` lists the namespaces they made, and those of other machines are not there.
 *
 * In the lab's fabric a machine's own namespace is called as the machine, and one made on it
 * `MACHINE/NAME`: two machines may both have an `ns1`.
 */
import { type Ip, tryParseIp } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type {
  Closer,
  Fabric,
  FabricEvent,
  FramePort,
  OpOutcome,
  Probe,
  ProbeResult,
  Service,
} from '../fabric/fabric.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { Disk } from '../lab/recorder.ts'
import { SimFabric } from '../sim/fabric.ts'
import type { Machine } from './session.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot, SnapshotOptions } from '../fabric/snapshot.ts'

/** A {@link Fabric} that knows one machine of another. */
export class MachineFabric implements Fabric {
  readonly kind: Fabric['kind']
  readonly clock: Clock
  readonly #inner: Fabric
  readonly #node: string

  /** @param node the machine's own namespace in `inner` */
  constructor(inner: Fabric, node: string) {
    this.kind = inner.kind
    this.clock = inner.clock
    this.#inner = inner
    this.#node = node
  }

  async apply(
    plan: Plan,
    options?: { readonly keepGoing?: boolean },
  ): Promise<readonly OpOutcome[]> {
    const outcomes = await this.#inner.apply(
      plan.map((op) => this.#opOut(op)),
      options,
    )
    return outcomes.map((o) => (o.ok ? o : { ...o, op: plan[o.index] ?? o.op }))
  }

  async snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    try {
      const { netns } = await this.#inner.snapshot(
        options.netns === undefined
          ? options
          : { ...options, netns: options.netns.map((n) => this.#out(n)) },
      )
      return { netns: netns.flatMap((n) => this.#netnsIn(n) ?? []) }
    } catch (error) {
      if (!(error instanceof LanyardError) || error.code !== 'netns-missing') throw error
      const { netns } = (error as LanyardError<'netns-missing'>).detail
      const detail = { netns: this.#in(netns) ?? netns }
      throw new LanyardError('netns-missing', detail, { cause: error })
    }
  }

  probe(
    probes: readonly Probe[],
    options?: { readonly sequential?: boolean },
  ): Promise<readonly ProbeResult[]> {
    return this.#inner.probe(
      probes.map((p) => ({ ...p, from: this.#out(p.from) })),
      options,
    )
  }

  watch(netns: readonly string[], onEvent: (event: FabricEvent) => void): Promise<Closer> {
    return this.#inner.watch(
      netns.map((n) => this.#out(n)),
      (event) => onEvent({ ...event, netns: this.#in(event.netns) ?? '' }),
    )
  }

  openPort(
    netns: string,
    link: string,
    onFrame: Parameters<Fabric['openPort']>[2],
    options?: { readonly etherType?: number },
  ): Promise<FramePort> {
    return this.#inner.openPort(this.#out(netns), link, onFrame, options)
  }

  listen(netns: string, service: Service): Promise<Closer> {
    return this.#inner.listen(this.#out(netns), service)
  }

  settle(
    options: { readonly netns?: readonly string[]; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    const { netns } = options
    return this.#inner.settle(
      netns === undefined ? options : { ...options, netns: netns.map((n) => this.#out(n)) },
    )
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #out(name: string): string {
    return name === '' ? this.#node : `${this.#node}/${name}`
  }

  /** Undefined: not of this machine. */
  #in(name: string): string | undefined {
    if (name === this.#node) return ''
    return name.startsWith(`${this.#node}/`) ? name.slice(this.#node.length + 1) : undefined
  }

  #opOut(op: Op): Op {
    const netns = this.#out(op.netns)
    if (op.do === 'link.set') {
      const { newNetns } = op
      return newNetns === undefined
        ? { ...op, netns }
        : { ...op, netns, newNetns: this.#out(newNetns) }
    }
    if (op.do !== 'link.add') return { ...op, netns }
    const { parentNetns, spec } = op
    return {
      ...op,
      netns,
      ...(parentNetns === undefined ? {} : { parentNetns: this.#out(parentNetns) }),
      ...(spec.kind === 'veth' && spec.peer.netns !== undefined
        ? { spec: { ...spec, peer: { ...spec.peer, netns: this.#out(spec.peer.netns) } } }
        : {}),
    }
  }

  #netnsIn(netns: NetnsSnapshot): NetnsSnapshot | undefined {
    const name = this.#in(netns.name)
    return name === undefined
      ? undefined
      : { ...netns, name, links: netns.links.map((l) => this.#linkIn(l)) }
  }

  #linkIn(link: LinkSnapshot): LinkSnapshot {
    const { parent } = link
    if (parent?.netns === undefined) return link
    const netns = this.#in(parent.netns)
    // A cable to another machine: what is at its end nobody here can see.
    const seen = netns === undefined ? { ...parent, netns, name: undefined } : { ...parent, netns }
    return { ...link, parent: seen }
  }
}

/** Names of a machine beside those of the lab, as `echo ADDRESS NAME >> /etc/hosts` writes them. */
export const HOSTS_FILE = '/etc/hosts'

/** The kernel the simulator imitates by default. */
const RELEASE = '6.18.0'

/**
 * A machine of a lab beside its network: its name, and the names of the others. A namespace made on
 * a machine has its own name, unless a machine is called so.
 */
export function machineIn(fabric: Fabric, node: string, disk?: Disk): Machine {
  const all = async (): Promise<[string, Ip[]][]> => {
    const { netns } = await fabric.snapshot()
    return netns.map((n) => {
      const own = n.addresses.filter((a) => a.scope === 'global').map((a) => a.address.address)
      const four = own.filter((ip) => typeof ip === 'number')
      return [n.name, [...four, ...own.filter((ip) => typeof ip === 'bigint')]]
    })
  }
  const short = (name: string): string => name.slice(name.lastIndexOf('/') + 1)
  return {
    name: node,
    release: RELEASE,
    ...(fabric instanceof SimFabric
      ? { connections: (netns) => fabric.connections(netns === '' ? node : `${node}/${netns}`) }
      : {}),
    ...(disk === undefined
      ? {}
      : {
          disk: {
            read: (path: string) => disk.readFile(`${node}:${path}`),
            write: (path: string, text: string) => disk.writeFile(`${node}:${path}`, text),
          },
        }),
    lookup: async (name) => {
      const written = hostsIn(disk?.readFile(`${node}:${HOSTS_FILE}`) ?? '', name)
      if (written.length > 0) return written
      const found = await all()
      const exact = found.find(([n]) => n === name) ?? found.find(([n]) => n === `${node}/${name}`)
      return (exact ?? found.find(([n]) => short(n) === name))?.[1] ?? []
    },
    nameOf: async (ip) => {
      const holder = (await all()).find(([, own]) => own.includes(ip))
      return holder === undefined ? undefined : short(holder[0])
    },
  }
}

/** hosts(5): an address, and the names it has. */
function hostsIn(text: string, name: string): Ip[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/)
    const ip = tryParseIp(address)
    return ip !== undefined && names.includes(name) ? [ip] : []
  })
}
