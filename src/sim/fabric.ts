/** The simulated fabric: a {@link Fabric} over a {@link World}. */
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type {
  CapturedFrame,
  Closer,
  Fabric,
  FabricEvent,
  FramePort,
  OpOutcome,
  Probe,
  ProbeResult,
  Service,
} from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { Snapshot, SnapshotOptions } from '../fabric/snapshot.ts'
import type { Trace } from '../fabric/trace.ts'
import type { Frame } from '../wire/frame.ts'
import { transmit } from './core.ts'
import { forkWorld } from './fork.ts'
import { listAddresses } from './ip/snapshot.ts'
import { listConnections, type ListedConnection } from './ip/netfilter/list.ts'
import { runProbes } from './ip/probe.ts'
import { listen, stopListening } from './ip/transport.ts'
import { portOf, STATE_LEARNING, STATE_LISTENING } from './link/bridge-state.ts'
import { loadSnapshot } from './load.ts'
import type { Device, World } from './model.ts'
import { findDevice, openPort } from './ports.ts'
import { runUntil } from './run.ts'
import { takeSnapshot } from './snapshot.ts'
import { readTrace } from './trace.ts'
import { Watchers } from './watch.ts'
import { applyOp, createWorld, type WorldOptions } from './world.ts'

const OK: OpOutcome = Object.freeze({ ok: true })
const MS = 1_000_000
/** As long as the kernel's fabric waits, in steps short beside duplicate address detection. */
const SETTLE_MS = 5000
const SETTLE_STEP_MS = 50

export class SimFabric implements Fabric {
  readonly kind = 'sim'
  readonly clock: Clock
  readonly world: World
  readonly #watchers: Watchers

  constructor(world: World) {
    this.world = world
    this.#watchers = new Watchers(world)
    this.clock = {
      nowNs: () => world.now,
      sleep: (ms) => this.#now(() => void runUntil(world, world.now + Math.round(ms * MS))),
    }
  }

  apply(plan: Plan, options: { readonly keepGoing?: boolean } = {}): Promise<readonly OpOutcome[]> {
    return this.#now(() => this.applyNow(plan, options))
  }

  /** {@link apply} without a promise: the simulator needs none. */
  applyNow(plan: Plan, options: { readonly keepGoing?: boolean } = {}): readonly OpOutcome[] {
    const { world } = this
    return plan.map((op, index) => {
      const refusal = applyOp(world, op)
      // What the kernel does in work queues at once: link watch
      runUntil(world, world.now)
      this.#watchers.tell()
      if (refusal === undefined) return OK
      const { errno, extack } = refusal
      if (options.keepGoing !== true) {
        throw new LanyardError('op-refused', {
          op: op.do,
          errno,
          message: extack ?? errno,
          index,
        })
      }
      return { ok: false, op, index, errno, extack }
    })
  }

  /** See {@link takeSnapshot}. */
  snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    return this.#now(() => takeSnapshot(this.world, options))
  }

  /** See {@link runProbes}: virtual time passes until every probe has its result. */
  probe(
    probes: readonly Probe[],
    options?: { readonly sequential?: boolean },
  ): Promise<readonly ProbeResult[]> {
    return this.#now(() => runProbes(this.world, probes, options))
  }

  watch(netns: readonly string[], onEvent: (event: FabricEvent) => void): Promise<Closer> {
    return this.#now(() => this.#watchers.add(netns, onEvent))
  }

  /** See {@link openPort}. */
  openPort(
    netns: string,
    link: string,
    onFrame: (frame: CapturedFrame) => void,
    options?: { readonly etherType?: number },
  ): Promise<FramePort> {
    return this.#now(() => openPort(this.world, netns, link, onFrame, options?.etherType))
  }

  /** See {@link listen}. @throws LanyardError `netns-missing` */
  listen(netns: string, service: Service): Promise<Closer> {
    return this.#now(() => {
      const where = this.world.netns.get(netns)
      if (where === undefined) throw new LanyardError('netns-missing', { netns })
      const { protocol, port } = service
      listen(where, protocol, port, { echo: true })
      return { close: () => stopListening(where, protocol, port) }
    })
  }

  /** Ends a {@link listen} whose closer is elsewhere. */
  stopListening(netns: string, { protocol, port }: Service): void {
    const where = this.world.netns.get(netns)
    if (where !== undefined) stopListening(where, protocol, port)
  }

  /** Lets virtual time pass until nothing moves by itself, or the time is over. */
  settle(
    options: { readonly netns?: readonly string[]; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    return this.#now(() => {
      const { world } = this
      const end = world.now + (options.timeoutMs ?? SETTLE_MS) * MS
      while (!isStill(world, options.netns) && world.now < end) {
        runUntil(world, Math.min(end, world.now + SETTLE_STEP_MS * MS))
      }
    })
  }

  /** Has a namespace called otherwise; nothing in it changes. Names are the fabric's own affair. */
  renameNetns(from: string, to: string): void {
    const { netns } = this.world
    const found = netns.get(from)
    if (found === undefined || netns.has(to)) return
    netns.delete(from)
    netns.set(to, found)
    found.name = to
  }

  /** The connections a namespace tracks, in no order. Equivalent to: `conntrack -L`. */
  connections(netns: string): readonly ListedConnection[] {
    return listConnections(this.world, netns)
  }

  /** What a program wrote down with {@link writeFile}. */
  readFile(path: string): string | undefined {
    return this.world.files.get(path)
  }

  /** Keeps what a program on a machine writes to its disk; it is part of a fork. */
  writeFile(path: string, text: string): void {
    this.world.files.set(path, text)
  }

  /** A world of its own that goes on from here; raw ports and watchers stay with this one. */
  fork(): SimFabric {
    return new SimFabric(forkWorld(this.world))
  }

  /**
   * Puts a frame on a link as if its namespace had sent it; what it sets off happens when time
   * passes.
   *
   * @throws LanyardError `netns-missing`, `link-missing`
   */
  inject(netns: string, link: string, frame: Frame): void {
    transmit(this.world, findDevice(this.world, netns, link), frame)
  }

  /** Steps written so far: where a {@link trace} can be told to begin. */
  get traceCount(): number {
    return this.world.trace.count
  }

  /** What frames met since then. */
  trace(since: number): Trace {
    return readTrace(this.world, since)
  }

  close(): Promise<void> {
    this.#watchers.clear()
    this.world.taps.clear()
    return Promise.resolve()
  }

  /** A call that needs no waiting, as a promise; what it changed is told. */
  #now<T>(fn: () => T): Promise<T> {
    return new Promise((resolve) => {
      try {
        resolve(fn())
      } finally {
        this.#watchers.tell()
      }
    })
  }
}

/** Whether carriers, spanning trees and duplicate address detection have come to an end. */
function isStill(world: World, names: readonly string[] | undefined): boolean {
  for (const netns of world.netns.values()) {
    if (names !== undefined && !names.includes(netns.name)) continue
    for (const dev of netns.byIndex.values()) if (isMoving(dev)) return false
  }
  return true
}

function isMoving(dev: Device): boolean {
  if (!dev.up) return false
  if (dev.rxHandler?.name === 'bridge') {
    const { state } = portOf(dev)
    if (state === STATE_LISTENING || state === STATE_LEARNING) return true
  }
  return dev.carrier && listAddresses(dev).some((a) => a.tentative && !a.dadFailed)
}

/** Opens a simulated Linux of its own. */
export function openSim(options: WorldOptions = {}): SimFabric {
  return new SimFabric(createWorld(options))
}

/**
 * Opens a simulated Linux in the state of a snapshot: what a kernel has, to try things on.
 *
 * @example
 * ```ts
 * const trial = loadSim(await kernel.snapshot())
 * const [result] = await trial.probe([{ protocol: 'icmp', from: 'box1', to: gateway }])
 * ```
 */
export function loadSim(snapshot: Snapshot, options: WorldOptions = {}): SimFabric {
  return new SimFabric(loadSnapshot(snapshot, options))
}
