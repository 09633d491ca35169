/**
 * Which way to speak to etcd: gRPC (grpc-js, what the store does) or etcd's JSON gateway (fetch)?
 * Create-only transactions, 32 at once, on one etcd of this machine.
 */
import { startEtcd } from '../test/support/etcd.ts'
import { openEtcdStore } from '../src/store/etcd.ts'
import { measure, timeMs } from './harness.ts'

const COUNT = 2000
const AT_ONCE = 32

async function many(one: (i: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const ms = await timeMs(async () => {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < COUNT) await one(next++)
      }),
    )
  })
  return (COUNT * 1000) / ms
}

await measure('etcd-clients', async () => {
  const etcd = await startEtcd()
  const [endpoint = ''] = etcd.endpoints
  const store = await openEtcdStore({ endpoints: etcd.endpoints })
  let round = 0
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const gateway = async (i: number): Promise<void> => {
    const key = base64(`/gateway/${round}/${i}`)
    const answer = await fetch(`http://${endpoint}/v3/kv/txn`, {
      method: 'POST',
      body: JSON.stringify({
        compare: [{ key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
        success: [{ request_put: { key, value: base64('{"network":"lan"}') } }],
      }),
    })
    const { succeeded } = (await answer.json()) as { succeeded?: boolean }
    if (succeeded !== true) throw new Error('not made')
  }
  const grpc = async (i: number): Promise<void> => {
    const key = `grpc/${round}/${i}`
    const { done } = await store.transact({
      when: [{ key, is: 'absent' }],
      then: [{ put: key, value: '{"network":"lan"}' }],
    })
    if (!done) throw new Error('not made')
  }
  return {
    question: `how many create-only transactions a second, ${AT_ONCE} at once, from one process?`,
    unit: '/s',
    better: 'higher',
    contestants: [
      { name: 'lanyard store (grpc-js)', run: () => many(grpc), reset: () => void round++ },
      { name: 'JSON gateway (fetch)', run: () => many(gateway), reset: () => void round++ },
    ],
    close: async () => {
      await store.close()
      await etcd.stop()
    },
  }
})
