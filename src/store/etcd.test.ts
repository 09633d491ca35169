/** The contract on a real etcd of one member, and of three. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type EtcdCluster, startEtcd, whyNoEtcd } from '../../test/support/etcd.ts'
import { testStore } from './contract.case.ts'
import { EtcdClient } from './etcd-client.ts'
import { COMPACT, DELETE_RANGE, endOf } from './etcd-proto.ts'
import { type EtcdStore, openEtcdStore } from './etcd.ts'
import type { Entry, Store, StoreEvent } from './store.ts'

/** The contract counts from an empty store; an etcd that is shared has a history already. */
function countFrom(base: number, inner: EtcdStore, compact: () => Promise<void>): Store {
  const down = (entry: Entry): Entry => ({
    ...entry,
    createRevision: entry.createRevision - base,
    modRevision: entry.modRevision - base,
  })
  const told = (event: StoreEvent): StoreEvent =>
    event.change === 'put'
      ? { ...event, entry: down(event.entry) }
      : { ...event, revision: event.revision - base }
  return {
    get: async (key) => {
      const entry = await inner.get(key)
      return entry === undefined ? undefined : down(entry)
    },
    range: async (prefix, options) => {
      const page = await inner.range(prefix, options)
      return { ...page, entries: page.entries.map(down), revision: page.revision - base }
    },
    transact: async (transaction) => {
      const when = transaction.when.map((c) =>
        'modRevision' in c ? { ...c, modRevision: c.modRevision + base } : c,
      )
      const result = await inner.transact({ ...transaction, when })
      const found = result.found.map((entry) => (entry === undefined ? undefined : down(entry)))
      return { ...result, revision: result.revision - base, found }
    },
    watch: async (prefix, revision, onEvents, onLost) => {
      await compact()
      return await inner.watch(prefix, revision + base, (e) => onEvents(e.map(told)), onLost)
    },
    revision: async () => (await inner.revision()) - base,
    close: () => inner.close(),
  }
}

let places = 0

function contractOn(members: number): void {
  let etcd: EtcdCluster
  beforeAll(async () => {
    etcd = await startEtcd({ members })
  }, 120_000)
  afterAll(() => etcd.stop())
  testStore(`openEtcdStore, ${members} member${members === 1 ? '' : 's'}`, {
    toldWithinMs: 20_000,
    lateMs: 20_000,
    ...(members === 1 ? {} : { expires: false as const }),
    place: async () => {
      const options = { endpoints: etcd.endpoints, prefix: `/test/${places++}/`, timeoutMs: 20_000 }
      const client = new EtcdClient(options)
      const first = await openEtcdStore(options)
      const base = await first.revision()
      await first.close()
      return {
        open: async ({ history } = {}) => {
          const store = await openEtcdStore(options)
          return countFrom(base, store, async () => {
            if (history === undefined) return
            const revision = (await store.revision()) - history + 1
            const request = { revision, physical: true }
            // What is compacted already stays so.
            await client.call(COMPACT, request, { reads: true }).catch(() => undefined)
          })
        },
        pass: (ms) => new Promise((done) => setTimeout(done, ms)),
        remove: async () => {
          const range_end = endOf(options.prefix)
          await client.call(DELETE_RANGE, { key: options.prefix, range_end }, { reads: true })
          client.close()
        },
      }
    },
  })
}

const missing = whyNoEtcd()
if (missing !== undefined) test.skip(`the contract on etcd: ${missing}`, () => undefined)
else {
  describe('one', () => contractOn(1))
  describe('three', () => contractOn(3))
}
