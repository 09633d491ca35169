/**
 * The engine: networks and endpoints over a fabric and a store. The only place that orders the
 * steps; what each step is, the driver plans and ipam decides.
 */
import { type Ip } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type { Closer, Fabric, FabricEvent } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import { MIRRORED } from '../ipam/keys.ts'
import { type Mirror, openMirror } from '../store/mirror.ts'
import type { Store } from '../store/store.ts'
import { Addresses, ipamHost } from './addresses.ts'
import { planConnect, publicEndpoint } from './connect.ts'
import { Background, type Context, type Faults, lanLink } from './context.ts'
import { disconnect } from './disconnect.ts'
import { join } from './endpoint.ts'
import { type CopyFile, HostCopy } from './host-copy.ts'
import { HostView } from './host-view.ts'
import { engineId, type Random, stableMac } from './identity.ts'
import { Introductions } from './introduce.ts'
import { yieldSpares } from './reclaim.ts'
import { Island } from './island.ts'
import { Lan } from './lan.ts'
import { land } from './land.ts'
import { Locks } from './locks.ts'
import { makeNetwork } from './join.ts'
import { getNetwork, planCreate, publicNetwork } from './network.ts'
import { removeNetwork } from './remove-network.ts'
import {
  claimAnyway,
  connectAnyway,
  createAnyway,
  disconnectOffline,
  distrust,
  goneAway,
  hasNews,
  isOwn,
  leaveAnyway,
  onOwn,
  seen,
  unclaimAnyway,
} from './offline.ts'
import { ALL, keysOf, NETWORKS_LOCK } from './lock-names.ts'
import { ParentWatch } from './parent-watch.ts'
import { Patrol } from './patrol.ts'
import { findEndpoint, listEndpoints, listNetworks, networkKey } from './records.ts'
import { SandboxIndex } from './sandbox-index.ts'
import { isAway, restoreCopy, restoreIfOlder } from './restore.ts'
import { type HostIdentity, openSelf, type Self } from './self.ts'
import { Spares, type SparesOptions } from './spares.ts'
import { goneNetworks } from './sweep-leases.ts'
import { sweep } from './sweep.ts'
import { keepSpares, tendSpares } from './tend.ts'
import type {
  AddressHolder,
  ClaimRequest,
  ConnectRequest,
  DoorEngine,
  Drift,
  Endpoint,
  EndpointRequest,
  EngineEvent,
  JoinRequest,
  Lease,
  Network,
  NetworkSpec,
  RemoveOptions,
} from './types.ts'

export interface EngineOptions {
  readonly fabric: Fabric
  readonly store: Store
  /** Random bytes: ids of networks and of the installation. */
  readonly random: Random
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The namespace parents are in; default the fabric's own. */
  readonly host?: string
  /** Default: the fabric's. */
  readonly clock?: Clock
  readonly faults?: Faults
  /** Mend at the start what a crash or a reboot left; default true. */
  readonly reconcile?: boolean
  /** Of several hosts on one store: which this is. */
  readonly self?: HostOptions
}

export interface HostOptions extends HostIdentity {
  /** From 0 to 1. */
  readonly random: () => number
  /** Kept on this host, beside the store: what to say again when the store has lost it. */
  readonly copy: CopyFile
  /** Addresses held for endpoints that come while the store is away; none without. */
  readonly spares?: SparesOptions
}

const NO_FAULTS: Faults = { at: () => undefined }
/** A card that comes brings several events; one walk answers them all. */
const DEBOUNCE_MS = 50

/**
 * Opens the engine, mends what is not as the store says, and goes on doing so when links of the
 * host change.
 *
 * A crash of the process leaves what the doors say of theirs; opening again mends it.
 *
 * @throws LanyardError `record-broken`, and what store and fabric say
 * @example
 * ```ts
 * const engine = await openEngine({
 *   fabric: await openKernel(),
 *   store,
 *   random: (count) => randomBytes(count),
 *   now: () => Date.now(),
 * })
 * await engine.createNetwork({ name: 'lan', kind: 'macvlan', parent: 'eth0', pools, ...rest })
 * await engine.connect({ network: 'lan', endpoint: 'web', sandbox: 'box1' })
 * ```
 */
export async function openEngine(options: EngineOptions): Promise<HostEngine> {
  const { store, random, self: of } = options
  // As it was before this host wrote anything.
  const revision = of === undefined ? 0 : await store.revision()
  const id = await engineId(store, random)
  const clock = options.clock ?? options.fabric.clock
  const nowIso = new Date(options.now()).toISOString()
  const self = of === undefined ? undefined : await openSelf(store, of, clock, nowIso)
  const sleep = (ms: number) => clock.sleep(ms)
  const mirror = of === undefined ? undefined : await openMirror(store, MIRRORED, sleep)
  const engine = new HostEngine(options, id, self, mirror)
  await engine.start(options.reconcile !== false, revision)
  return engine
}

export class HostEngine implements DoorEngine {
  readonly #context: Context
  readonly #listeners = new Set<(event: EngineEvent) => void>()
  #watch: Closer | undefined
  readonly #mirror: Mirror | undefined
  #beats = false
  /** The store was away, and has not been told since. */
  #behind = false
  #scheduled = false
  #closed = false
  readonly #parents: ParentWatch
  readonly #patrol: Patrol

  constructor(options: EngineOptions, id: string, self?: Self, mirror?: Mirror) {
    const { fabric, store, random, now } = options
    const host = options.host ?? ''
    const clock = options.clock ?? fabric.clock
    const emit = (event: Omit<EngineEvent, 'at'>) => this.#emit(event)
    this.#mirror = mirror
    const of = options.self?.spares
    const spares = of === undefined ? undefined : new Spares(of)
    const context: Omit<Context, 'introductions'> = {
      fabric,
      store,
      addresses: new Addresses(store, now, ipamHost(self, mirror, options.self?.random)),
      self,
      copy: options.self === undefined ? undefined : new HostCopy(options.self.copy),
      spares,
      island:
        spares === undefined || self === undefined
          ? undefined
          : new Island(() => this.#context, spares, self),
      clock,
      random,
      now,
      host,
      id,
      faults: options.faults ?? NO_FAULTS,
      locks: new Locks(),
      view: new HostView(fabric, host),
      lan: new Lan(fabric, clock, host, stableMac(id, 'probe')),
      background: new Background((error) => this.#failed(error)),
      sandboxes: new SandboxIndex(),
      trusted: new Set(),
      doubled: new Set(),
      unreached: new Map(),
      suspects: new Map(),
      claims: new Map(),
      emit,
    }
    // It works with the context it is part of.
    this.#context = Object.assign(context, {
      introductions: new Introductions(() => this.#context),
    })
    this.#parents = new ParentWatch(this.#context, async () => void (await this.reconcile()))
    this.#patrol = new Patrol(this.#context, () => this.reconcile())
  }

  /** Called once, by {@link openEngine}. */
  async start(mends: boolean, revision: number): Promise<void> {
    const { fabric, host, sandboxes, self, store } = this.#context
    if (self?.lost === true) await restoreCopy(this.#context)
    else if (self?.known === true) await restoreIfOlder(this.#context, revision)
    await sandboxes.load(store, self?.id)
    this.#watch = await fabric.watch([host], (event) => this.#onFabric(event))
    if (mends) await this.reconcile()
    else await this.#parents.remember()
  }

  createNetwork(spec: NetworkSpec): Promise<Network> {
    // Parents are shared, so networks are made and removed one at a time.
    return this.#door([], [NETWORKS_LOCK, networkKey(spec.name)], () =>
      makeNetwork(this.#context, spec),
    )
  }

  removeNetwork(name: string, options?: RemoveOptions): Promise<void> {
    return this.#door([], [NETWORKS_LOCK, networkKey(name)], () =>
      removeNetwork(this.#context, name, options),
    )
  }

  networks(): Promise<readonly Network[]> {
    return seen(this.#context, async ({ store, self }) => {
      const records = await listNetworks(store, self?.id)
      return records.filter((one) => one.phase === 'ready').map(publicNetwork)
    })
  }

  network(name: string): Promise<Network> {
    return seen(this.#context, async (context) => publicNetwork(await getNetwork(context, name)))
  }

  connect(request: ConnectRequest): Promise<Endpoint> {
    return this.#door(...keysOf(request), () => connectAnyway(this.#context, request))
  }

  async disconnect(network: string, endpoint: string): Promise<void> {
    const context = this.#context
    const apart = context.spares?.away === true || isOwn(context, network, endpoint)
    if (apart && (await this.#leaves(network, endpoint))) return
    try {
      await this.#disconnect(network, endpoint)
    } catch (error) {
      // A container stops whether or not the store can be told.
      if (!isAway(error)) throw error
      goneAway(context)
      if (!(await this.#leaves(network, endpoint, true))) throw error
    }
  }

  async #leaves(network: string, endpoint: string, away = false): Promise<boolean> {
    const sandbox = this.#context.spares?.sandboxOf(network, endpoint) ?? ''
    return await this.#door(...keysOf({ network, endpoint, sandbox }), () =>
      disconnectOffline(this.#context, network, endpoint, away),
    )
  }

  async #disconnect(network: string, endpoint: string): Promise<void> {
    const known = await findEndpoint(this.#context.store, network, endpoint)
    // Two disconnects in one sandbox would both choose its default route.
    const sandbox = known?.sandbox ?? ''
    const [shared, alone] = keysOf({ network, endpoint, sandbox })
    await this.#door(shared, alone, async () => {
      // It may have come on a spare since.
      if (await disconnectOffline(this.#context, network, endpoint, false)) return
      await disconnect(this.#context, network, endpoint)
    })
  }

  claim(request: ClaimRequest): Promise<Ip> {
    return this.#door([networkKey(request.network)], [], () => claimAnyway(this.#context, request))
  }

  unclaim(network: string, address: Ip): Promise<void> {
    return this.#door([networkKey(network)], [], () =>
      unclaimAnyway(this.#context, network, address),
    )
  }

  createEndpoint(request: EndpointRequest): Promise<Endpoint> {
    const [shared, [own = '']] = keysOf({ ...request, sandbox: '' })
    return this.#door(shared, [own], () => createAnyway(this.#context, request))
  }

  join(request: JoinRequest): Promise<Endpoint> {
    const { network, endpoint } = request
    return this.#door(...keysOf(request), () =>
      onOwn(this.#context, isOwn(this.#context, network, endpoint), (one) => join(one, request)),
    )
  }

  async leave(network: string, endpoint: string): Promise<void> {
    const [shared, [own = '']] = keysOf({ network, endpoint, sandbox: '' })
    await this.#door(shared, [own], () => leaveAnyway(this.#context, { network, endpoint }))
  }

  endpoints(network?: string): Promise<readonly Endpoint[]> {
    return seen(this.#context, async ({ store, self }) => {
      const records = await listEndpoints(store, self?.id, network)
      return records.filter((one) => one.phase !== 'leaving').map(publicEndpoint)
    })
  }

  planCreate(spec: NetworkSpec): Promise<Plan> {
    return this.#door([], [], () => planCreate(this.#context, spec))
  }

  planConnect(request: ConnectRequest): Promise<Plan> {
    return this.#door([], [], () => planConnect(this.#context, request))
  }

  leases(segment?: string): Promise<readonly Lease[]> {
    return this.#context.addresses.leases(segment)
  }

  /** Looks at leases and links, and asks the LAN of each network whose subnet has the address. */
  async whoHas(address: Ip): Promise<AddressHolder> {
    const context = this.#context
    const lease = (await context.addresses.leases()).find((one) => one.address === address)
    const ownLink = await context.view.holderOf(address)
    const asked = new Set<string>()
    for (const network of await this.networks()) {
      if (!network.pools.some(({ subnet }) => contains(subnet, address))) continue
      const link = await lanLink(context, network)
      if (link === undefined || asked.has(link.name)) continue
      asked.add(link.name)
      const answeredBy = await context.lan.whoHas(link, address)
      if (answeredBy !== undefined) return { lease, ownLink, answeredBy }
    }
    return { lease, ownLink, answeredBy: undefined }
  }

  async nextFree(network: string): Promise<readonly Ip[]> {
    return await this.#context.addresses.next(await getNetwork(this.#context, network))
  }

  async reserve(network: string, address: Ip, name: string): Promise<Lease> {
    const of = await getNetwork(this.#context, network)
    await yieldSpares(this.#context, of, [address])
    const reserved = await this.#context.addresses.reserve(of, address, name)
    const { segment } = of
    const since = new Date(this.#context.now()).toISOString()
    const made = { segment, network, address, mac: undefined, holder: name, since } as const
    return reserved ?? { ...made, kind: 'reservation' }
  }

  async release(network: string, address: Ip): Promise<void> {
    await this.#context.addresses.free(await getNetwork(this.#context, network), address)
  }

  async status(): Promise<readonly Drift[]> {
    return await this.#door([], [], async () => (await sweep(this.#context, false)).drifts)
  }

  async reconcile(): Promise<readonly Drift[]> {
    this.#check()
    return await this.#context.locks.run({ alone: [ALL] }, async () => {
      const { self, store } = this.#context
      if (self !== undefined) await restoreIfOlder(this.#context, await store.revision())
      await land(this.#context)
      const { drifts } = await sweep(this.#context, true)
      await tendSpares(this.#context, true)
      await this.#parents.remember()
      this.#context.copy?.remember(this.#context)
      return drifts
    })
  }

  /**
   * Says that this host lives, hears which networks others took away, and tells a store that was
   * away what happened meanwhile. Called every few seconds by whoever runs for long.
   * @throws LanyardError `store-unavailable`: then new endpoints take spares at once
   */
  async beat(): Promise<void> {
    this.#beats = true
    try {
      const twin = await this.#context.self?.beat()
      const detail = `another machine, ${twin}, has this host's machine-id`
      if (twin !== undefined)
        this.#emit({ what: 'conflict', network: '', endpoint: undefined, detail })
      this.#behind ||= (await this.#context.copy?.isAheadOfMark(this.#context)) === true
      this.#behind ||= (await goneNetworks(this.#context)).length > 0
      if (this.#behind || hasNews(this.#context)) await this.reconcile()
      this.#behind = false
      await keepSpares(this.#context)
    } catch (error) {
      this.#behind = true
      if (isAway(error)) goneAway(this.#context)
      else distrust(this.#context)
      throw error
    }
  }

  /** Looks into a few sandboxes; to be called every few seconds by whoever runs for long. */
  async patrol(): Promise<void> {
    if (this.#closed) return
    try {
      await this.#patrol.look()
    } catch (error) {
      if (!isAway(error)) this.#failed(error)
    }
  }

  /**
   * The store is an older one than it was (restored, or emptied): this host says again what it has,
   * and hands nothing out until the others had time to do so, too.
   */
  async reassert(): Promise<void> {
    const { self, sandboxes, store } = this.#context
    if (self === undefined) return
    self.pause()
    distrust(this.#context)
    await this.#context.locks.run({ alone: [ALL] }, async () => {
      await self.register()
      await restoreCopy(this.#context)
      await sandboxes.load(store, self.id)
    })
    await this.reconcile()
  }

  onEvent(listener: (event: EngineEvent) => void): { close(): void } {
    this.#listeners.add(listener)
    return { close: () => void this.#listeners.delete(listener) }
  }

  /** Resolves when nothing goes on behind the doors: announcements, probes, mending. */
  async idle(): Promise<void> {
    await this.#context.background.idle()
  }

  /** Ends what goes on; links, leases and records stay. The store is its opener's to close. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#watch?.close()
    this.#mirror?.close()
    // What was to be told is told, only sooner; a command that ends waits for no second.
    this.#context.lan.hurry()
    this.#context.background.ending = true
    await this.#context.background.idle()
    this.#context.lan.close()
    await this.#farewell()
    this.#listeners.clear()
  }

  /** The copy is brought up to date; a store that is away is told by the next start. */
  async #farewell(): Promise<void> {
    const { copy, self } = this.#context
    try {
      await copy?.save(this.#context)
      if (this.#beats) await self?.leave()
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }

  #check(): void {
    if (this.#closed) throw new LanyardError('engine-closed', {})
  }

  async #door<T>(
    shared: readonly string[],
    alone: readonly string[],
    work: () => Promise<T>,
  ): Promise<T> {
    this.#check()
    return await this.#context.locks.run({ shared: [ALL, ...shared], alone }, async () => {
      try {
        return await work()
      } finally {
        if (alone.includes(NETWORKS_LOCK)) await this.#parents.remember()
        const { copy, spares } = this.#context
        if (alone.length > 0 && spares?.away !== true) copy?.remember(this.#context)
      }
    })
  }

  #emit(event: Omit<EngineEvent, 'at'>): void {
    const told = { at: new Date(this.#context.now()).toISOString(), ...event }
    for (const listener of this.#listeners) listener(told)
  }

  /** Work in the background failed: nobody waits for it, so it is told. */
  #failed(error: unknown): void {
    if (this.#closed) return
    const detail = error instanceof Error ? error.message : String(error)
    this.#emit({ what: 'drift', network: '', endpoint: undefined, detail })
  }

  #onFabric(event: FabricEvent): void {
    if (!this.#context.view.onEvent(event)) return
    if (event.what === 'link' && event.change === 'del') this.#context.lan.forget(event.name)
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#context.background.start(async () => {
      await this.#context.clock.sleep(DEBOUNCE_MS)
      this.#scheduled = false
      if (!this.#closed) await this.#parents.look()
    })
  }
}
