/**
 * Which of several hosts on one store this is. A host is its machine-id; its epoch is its boot, and
 * every lease it takes is taken on the condition that the store still knows both. Only `live` hangs
 * on a ttl, and nothing is ever freed for its want.
 *
 * | key | what |
 * |---|---|
 * | `host/ID` | its name, labels, whether it is drained |
 * | `host-epoch/ID` | the boot that leases are taken under; gone when the host is forgotten |
 * | `host-live/ID` | there while its daemon runs; for people and for twins to be noticed |
 * | `host-forgotten/ID` | it was forgotten on purpose, not lost with the store |
 * | `host-mark/ID` | written after what this host wrote: a store without it lost some |
 */
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type { Condition, Store, Write } from '../store/store.ts'

export const HOSTS = 'host/'
export const hostKey = (id: string): string => `${HOSTS}${id}`
export const epochKey = (id: string): string => `host-epoch/${id}`
export const liveKey = (id: string): string => `host-live/${id}`
export const markKey = (id: string): string => `host-mark/${id}`
export const forgottenKey = (id: string): string => `host-forgotten/${id}`

const LIVE_SECONDS = 15
/** After the store went back in time, others have so long to say what they hold. */
const GRACE_MS = 10_000

export interface HostIdentity {
  /** The machine-id. */
  readonly id: string
  /** What people call it: its hostname. */
  readonly name: string
  /** Another one after every boot. */
  readonly boot: string
}

/** What `host/ID` says. */
export interface HostRecord {
  readonly name: string
  readonly boot: string
  readonly since: string
  readonly drained?: boolean
  /** Label -> link: `lan` is `eth0` here. */
  readonly labels?: Readonly<Record<string, string>>
}

/** What the store said of this host before it entered. */
interface HostState {
  readonly record: HostRecord
  readonly lost: boolean
  readonly known: boolean
}

/** This host, registered. Made by {@link openSelf}. */
export class Self {
  readonly id: string
  readonly name: string
  readonly boot: string
  /** That the store did not know this host's boot, and nobody forgot the host on purpose. */
  readonly lost: boolean
  /** That the store knew this host under some boot. */
  readonly known: boolean
  readonly #identity: HostIdentity
  readonly #store: Store
  readonly #clock: Clock
  #record: HostRecord
  #quietUntilNs = 0

  constructor(identity: HostIdentity, store: Store, clock: Clock, state: HostState) {
    const { id, name, boot } = identity
    this.id = id
    this.name = name
    this.boot = boot
    this.lost = state.lost
    this.known = state.known
    this.#identity = identity
    this.#store = store
    this.#clock = clock
    this.#record = state.record
  }

  /** What must hold for a lease: the store knows this host under this boot. */
  guards(): readonly Condition[] {
    return [{ key: epochKey(this.id), value: this.boot }]
  }

  /** That no new endpoints may come here, as was last heard. */
  get drained(): boolean {
    return this.#record.drained === true
  }

  /** This host to another store, which is told what this one was last heard to say. */
  async beside(store: Store): Promise<Self> {
    const then = [
      { put: hostKey(this.id), value: JSON.stringify(this.#record) },
      { put: epochKey(this.id), value: this.boot },
    ]
    await store.transact({ when: [], then })
    return new Self(this.#identity, store, this.#clock, {
      record: this.#record,
      lost: false,
      known: true,
    })
  }

  label(name: string): string | undefined {
    return this.#record.labels?.[name]
  }

  /** The store is an older one: nothing is handed out until the others have said what they hold. */
  pause(): void {
    this.#quietUntilNs = this.#clock.nowNs() + GRACE_MS * 1e6
  }

  /**
   * Whether new endpoints may come here, as the store says.
   *
   * @param asked a {@link refresh} that is under way
   * @throws LanyardError `host-drained`, `host-forgotten`
   */
  async mayServe(asked: Promise<void>): Promise<void> {
    const quietMs = (this.#quietUntilNs - this.#clock.nowNs()) / 1e6
    await asked
    if (quietMs > 0) {
      await this.#clock.sleep(quietMs)
      await this.refresh()
    }
    if (this.drained) throw new LanyardError('host-drained', { host: this.name, id: this.id })
  }

  /** @throws LanyardError `host-forgotten` */
  async refresh(): Promise<void> {
    const [entry, epoch] = await Promise.all([
      this.#store.get(hostKey(this.id)),
      this.#store.get(epochKey(this.id)),
    ])
    if (entry === undefined || epoch?.value !== this.boot)
      throw new LanyardError('host-forgotten', { host: this.name, id: this.id })
    this.#record = JSON.parse(entry.value) as HostRecord
  }

  /** Once more, with a store that may have lost it. */
  async register(): Promise<void> {
    const state = await enter(this.#store, this.#identity, this.#record.since, this.#record)
    this.#record = state.record
  }

  /** What people call a host. */
  async nameOf(id: string): Promise<string> {
    if (id === this.id) return this.name
    const entry = await this.#store.get(hostKey(id))
    return entry === undefined ? id : (JSON.parse(entry.value) as HostRecord).name
  }

  /**
   * Says that this host lives. Called every few seconds by whoever runs for long.
   *
   * @returns the name of a twin: another machine that says so with the same id
   */
  async beat(): Promise<string | undefined> {
    const key = liveKey(this.id)
    const value = liveText(this)
    const entry = await this.#store.get(key)
    const other = entry === undefined ? undefined : liveOf(entry.value)
    if (other !== undefined && other.boot !== this.boot) return other.name
    await this.#store.transact({
      when:
        entry === undefined ? [{ key, is: 'absent' }] : [{ key, modRevision: entry.modRevision }],
      then: [{ put: key, value, ttlSeconds: LIVE_SECONDS }],
    })
    return undefined
  }

  /** Says good-bye: a restart need not wait for the ttl. */
  async leave(): Promise<void> {
    const key = liveKey(this.id)
    await this.#store.transact({ when: [{ key, value: liveText(this) }], then: [{ delete: key }] })
  }
}

const liveText = ({ boot, name }: Pick<Self, 'boot' | 'name'>): string =>
  JSON.stringify({ boot, name })

export const liveOf = (text: string): { readonly boot: string; readonly name: string } =>
  JSON.parse(text) as { boot: string; name: string }

/**
 * Registers this host under its boot. Repeatable. A crash leaves it registered, or not.
 *
 * @throws LanyardError `host-twin` when another machine with the same id is alive
 */
export async function openSelf(
  store: Store,
  identity: HostIdentity,
  clock: Clock,
  nowIso: string,
): Promise<Self> {
  await refuseTwin(store, identity, clock)
  return new Self(identity, store, clock, await enter(store, identity, nowIso))
}

/** Puts the host's record and its epoch; `remembered` is for a store that has none. */
async function enter(
  store: Store,
  { id, name, boot }: HostIdentity,
  nowIso: string,
  remembered?: HostRecord,
): Promise<HostState> {
  for (;;) {
    const [key, epoch] = [hostKey(id), epochKey(id)]
    const [known, was, forgotten] = await Promise.all([
      store.get(key),
      store.get(epoch),
      store.get(forgottenKey(id)),
    ])
    const before = known === undefined ? undefined : (JSON.parse(known.value) as HostRecord)
    // A store that lost the host is told its labels, and whether it is drained, by whoever lives.
    const last = before ?? (forgotten === undefined ? remembered : undefined)
    const record: HostRecord = { since: nowIso, ...last, name, boot }
    // A store put back from a backup knows the host, and not under which boot.
    const lost = was === undefined && forgotten === undefined
    const state = { record, lost, known: was !== undefined }
    const then: Write[] = [
      { put: key, value: JSON.stringify(record) },
      { put: epoch, value: boot },
      { delete: forgottenKey(id) },
    ]
    const { done } = await store.transact({
      when: [known, was].map((entry, i): Condition => {
        const of = i === 0 ? key : epoch
        return entry === undefined
          ? { key: of, is: 'absent' }
          : { key: of, modRevision: entry.modRevision }
      }),
      then,
    })
    if (done) return state
  }
}

/** Another boot of ours may just have ended: its sign of life goes within its ttl. */
async function refuseTwin(store: Store, identity: HostIdentity, clock: Clock): Promise<void> {
  const key = liveKey(identity.id)
  const first = await store.get(key)
  if (first === undefined || liveOf(first.value).boot === identity.boot) return
  for (let waited = 0; waited <= LIVE_SECONDS * 2; waited++) {
    const entry = await store.get(key)
    if (entry === undefined) return
    if (entry.modRevision !== first.modRevision) {
      const other = liveOf(entry.value).name
      throw new LanyardError('host-twin', { id: identity.id, host: identity.name, other })
    }
    await clock.sleep(1000)
  }
}

/**
 * An endpoint of another host is that host's business.
 *
 * @throws LanyardError `lease-elsewhere`
 */
export async function mustBeHere(
  { self }: { readonly self: Self | undefined },
  endpoint: { readonly network: string; readonly name: string; readonly hostId?: string },
): Promise<void> {
  if (endpoint.hostId === self?.id) return
  const id = endpoint.hostId ?? ''
  const host = (await self?.nameOf(id)) ?? id
  const { network, name } = endpoint
  throw new LanyardError('lease-elsewhere', { network, endpoint: name, host })
}
