/** A watch in a crowd, on a real etcd. */
import { expect, test } from 'vitest'
import { startEtcd, whyNoEtcd } from '../../test/support/etcd.ts'
import { openEtcdStore } from './etcd.ts'
import type { StoreEvent } from './store.ts'

const missing = whyNoEtcd()
const PUTS = 1000

test.skipIf(missing !== undefined)(
  `of many changes at once a watch tells each once, in order, and few at a time no more${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const etcd = await startEtcd()
    const store = await openEtcdStore({ endpoints: etcd.endpoints, timeoutMs: 20_000 })
    try {
      const told: StoreEvent[] = []
      let answers = 0
      let lost = 0
      const hear = (events: readonly StoreEvent[]): void => {
        answers++
        told.push(...events)
      }
      const from = await store.revision()
      const watch = await store.watch('x/', from, hear, () => lost++)
      const put = (key: string) => store.transact({ when: [], then: [{ put: key, value: key }] })
      const until = async (count: number): Promise<void> => {
        for (let i = 0; i < 1000 && told.length < count; i++)
          await new Promise((done) => setTimeout(done, 20))
      }
      let next = 0
      const writer = async (): Promise<void> => {
        while (next < PUTS) await put(`x/${next++}`)
      }
      await Promise.all(Array.from({ length: 16 }, writer))
      await until(PUTS)
      const crowd = answers
      await store.transact({ when: [], then: [{ delete: 'x/0' }] })
      await put('x/late')
      await until(PUTS + 2)
      watch.close()
      const revisions = told.map((e) => (e.change === 'put' ? e.entry.modRevision : e.revision))
      expect(revisions).toEqual(Array.from({ length: PUTS + 2 }, (_, i) => from + 1 + i))
      expect(told.at(-2)).toMatchObject({ change: 'delete', key: 'x/0' })
      expect(lost).toBe(0)
      expect(crowd).toBeLessThan(PUTS / 2)
    } finally {
      await store.close()
      await etcd.stop()
    }
  },
)
