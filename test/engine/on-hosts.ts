/** Two hosts of one LAN on one store, in the simulator; each can be cut off from the store. */
import { test } from 'vitest'
import type { EngineOptions, HostEngine, HostOptions } from '../../src/engine/engine.ts'
import { LanyardError } from '../../src/errors.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { Memory, openMemoryStore } from '../../src/store/memory.ts'
import type { Store, Transaction, TransactionResult } from '../../src/store/store.ts'
import type { Bench } from '../conformance/suite.ts'
import { EngineWorld } from './world.ts'

export interface Hosts {
  readonly world: EngineWorld
  readonly sim: SimFabric
  readonly memory: Memory
  readonly a: HostEngine
  readonly b: HostEngine
  /** Opens a host's engine (anew); `files` outlive it. */
  open(
    name: 'host' | 'peer',
    changes?: Partial<HostOptions>,
    options?: Partial<EngineOptions>,
  ): Promise<HostEngine>
  /** Cuts a host off from the store. */
  cut(name: 'host' | 'peer', away: boolean): void
  /**
   * The next thing that a host writes to a key is held up on its way, as often as the host asks for
   * it, and the host is told that nobody knows. The call that this returns lets it arrive.
   */
  holdUp(name: 'host' | 'peer', key: string): () => Promise<TransactionResult>
  /** Files a host keeps, by what it is: they outlive its engine. */
  readonly files: Map<string, string>
}

/** What a host writes to this key is held up. */
interface HeldUp {
  readonly key: string
  transaction?: Transaction
}

const lost = (why: string) => new LanyardError('store-unavailable', { store: 'etcd', why })

/** The store as one host reaches it. */
function reached(inner: Store, isAway: () => boolean, heldUp: () => HeldUp | undefined): Store {
  const guarded =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (isAway()) throw lost('cut off')
      return await work(...args)
    }
  return {
    get: guarded((key) => inner.get(key)),
    range: guarded((prefix, options) => inner.range(prefix, options)),
    transact: guarded(async (transaction) => {
      const held = heldUp()
      const keys = transaction.then.map((write) => ('put' in write ? write.put : write.delete))
      if (held === undefined || !keys.includes(held.key)) return await inner.transact(transaction)
      held.transaction ??= transaction
      const again = JSON.stringify(held.transaction) === JSON.stringify(transaction)
      if (!again) return await inner.transact(transaction)
      throw lost('no answer')
    }),
    revision: guarded(() => inner.revision()),
    watch: (...args) => inner.watch(...args),
    close: () => inner.close(),
  }
}

/** @param spares how many addresses each host holds for when the store is away */
export function onHosts(name: string, body: (hosts: Hosts) => Promise<void>, spares = 0): void {
  test(name, async () => {
    const sim = openSim({ seed: 3 })
    const bench: Bench = {
      fabric: sim,
      ns: (short) => short,
      build: async (...ops) => void (await sim.apply(ops.flat())),
    }
    await EngineWorld.run(bench, async (world) => {
      const memory = new Memory()
      const away = new Set<string>()
      const files = new Map<string, string>()
      const held = new Map<string, HeldUp>()
      const sparesOf = (host: string) => ({
        read: () => files.get(`${host}-spares`),
        write: (text: string) => void files.set(`${host}-spares`, text),
      })
      let now = 1_700_000_000_000
      const open: Hosts['open'] = (host, changes = {}, options = {}) =>
        world.open({
          ...options,
          host,
          now: () => (now += 1000),
          store: reached(
            openMemoryStore({ memory }),
            () => away.has(host),
            () => held.get(host),
          ),
          self: {
            id: `${host}-id`,
            name: host === 'host' ? 'alpha' : 'beta',
            boot: 'boot-1',
            random: () => 0.5,
            copy: {
              read: () => files.get(host),
              write: (text) => void files.set(host, text),
            },
            ...(spares === 0 ? {} : { spares: { count: spares, least: 1, file: sparesOf(host) } }),
            ...changes,
          },
        })
      await world.sandboxes('a', 'b', 'c', 'd')
      const [a, b] = [await open('host'), await open('peer')]
      const cut: Hosts['cut'] = (host, is) => void (is ? away.add(host) : away.delete(host))
      const holdUp: Hosts['holdUp'] = (host, key) => {
        const one: HeldUp = { key }
        held.set(host, one)
        return async () => {
          if (one.transaction === undefined) throw new Error(`${host} wrote nothing to ${key}`)
          return await openMemoryStore({ memory }).transact(one.transaction)
        }
      }
      await body({ world, sim, memory, a, b, open, cut, holdUp, files })
    })
  })
}

export const refusal = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

export const isUp = async (world: EngineWorld, netns: string): Promise<boolean> =>
  (await world.snapshot(netns)).links.some((link) => link.name === 'eth0' && link.up)
