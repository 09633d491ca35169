/**
 * Leases of sixteen hosts, each a process that asks for eight at a time, on one etcd of this
 * machine, beside the least that could be asked of it: bare create-only transactions by the same
 * processes, a request each, as any client of etcd makes them.
 *
 * `npm run bench -- hosts`; with LANYARD_BENCH_FILL=1 a /20 is filled to its last address instead,
 * and what is counted is how often somebody else was faster.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parsePrefix } from '../src/addr/prefix.ts'
import { createIpam, entriesUnder } from '../src/ipam/ipam.ts'
import { MIRRORED, under } from '../src/ipam/keys.ts'
import { lease } from '../src/ipam/lease.ts'
import { definePools } from '../src/ipam/pools.ts'
import { EtcdClient } from '../src/store/etcd-client.ts'
import { BY_CREATE, EQUAL, TXN } from '../src/store/etcd-proto.ts'
import { openEtcdStore } from '../src/store/etcd.ts'
import { openMirror } from '../src/store/mirror.ts'
import { startEtcd } from '../test/support/etcd.ts'
import { measure, timeMs } from './harness.ts'

const HOSTS = 16
const AT_ONCE = 8
/** A host has compiled what it runs after some hundreds. */
const EACH = 500

interface Job {
  readonly what: 'lease' | 'bare' | 'fill'
  readonly round: number
}

/** One host. */
async function host(n: number, endpoint: string): Promise<void> {
  const options = { endpoints: [endpoint], timeoutMs: 20_000 }
  const store = await openEtcdStore(options)
  const client = new EtcdClient(options)
  const mirror = await openMirror(store, MIRRORED, sleep)
  const ipam = createIpam(store, {
    nowMs: Date.now,
    cooldownSeconds: 0,
    memorySeconds: 0,
    host: {
      id: `h${n}`,
      slot: n / HOSTS,
      random: Math.random,
      guards: () => [],
      refused: async () => undefined,
      nameOf: async (id) => id,
      mirror,
    },
  })
  const one = async ({ what, round }: Job, i: number): Promise<void> => {
    const name = `h${n}-${round}-${i}`
    if (what === 'bare') {
      const key = `bare/${name}`
      const compare = [{ key, result: EQUAL, target: BY_CREATE, create_revision: 0 }]
      const success = [{ request_put: { key, value: name } }]
      await client.call(TXN, { compare, success, failure: [] }, { reads: false })
    } else await lease(ipam, { segment: 'lan', network: `net-${what}`, endpoint: name })
  }
  const work = async (job: Job): Promise<void> => {
    let next = 0
    // A /20 has 4,094 addresses: as many as can be asked for without being refused.
    const count = job.what === 'fill' ? (n < 14 ? 256 : 255) : EACH
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < count) await one(job, next++)
      }),
    )
    process.send?.(ipam.count.retries)
  }
  process.on('message', (job: Job) => void work(job))
  process.send?.(0)
}

const answer = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('a host ended'))
    child.once('exit', ended)
    child.once('message', (retries) => {
      child.off('exit', ended)
      resolve(Number(retries))
    })
  })

async function bench(): Promise<void> {
  const etcd = await startEtcd()
  const store = await openEtcdStore({ endpoints: etcd.endpoints })
  const ipam = createIpam(store, { nowMs: Date.now })
  const pool = (text: string) => [{ subnet: parsePrefix(text), exclude: [] }]
  await definePools(ipam, { segment: 'lan', network: 'net-lease', pools: pool('10.64.0.0/16') })
  await definePools(ipam, { segment: 'lan', network: 'net-fill', pools: pool('10.32.0.0/20') })
  const self = fileURLToPath(import.meta.url)
  const children = Array.from({ length: HOSTS }, (_, n) =>
    fork(self, ['host', `${n}`, etcd.endpoints[0] ?? '']),
  )
  await Promise.all(children.map(answer))
  let round = 0
  const all = async (what: Job['what']): Promise<{ perSecond: number; retries: number }> => {
    round++
    let retries = 0
    const ms = await timeMs(async () => {
      const answers = children.map(answer)
      for (const child of children) child.send({ what, round } satisfies Job)
      retries = (await Promise.all(answers)).reduce((sum, one) => sum + one, 0)
    })
    return { perSecond: (HOSTS * EACH * 1000) / ms, retries }
  }
  const close = async (): Promise<void> => {
    for (const child of children) child.kill('SIGKILL')
    await store.close()
    await etcd.stop()
  }
  if (process.env.LANYARD_BENCH_FILL === '1') {
    const { retries } = await all('fill')
    const held = (await entriesUnder(store, under('ip', 'lan'))).length
    process.stdout.write(`${JSON.stringify({ bench: 'hosts fill', held, of: 4094, retries })}\n`)
    await close()
    return
  }
  await measure('hosts', () => ({
    question: `how many leases a second do ${HOSTS} hosts get, ${AT_ONCE} at once each, on a /16?`,
    unit: '/s',
    better: 'higher',
    contestants: [
      { name: 'lanyard leases', run: async () => (await all('lease')).perSecond },
      {
        name: 'bare create-only transactions, a request each',
        run: async () => (await all('bare')).perSecond,
      },
    ],
    close,
  }))
}

const [, , role = '', n = '', endpoint = ''] = process.argv
if (role === 'host') await host(Number(n), endpoint)
else await bench()
