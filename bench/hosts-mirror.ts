/**
 * A host that starts on an etcd with the 65,536 leases of a full /16: how long it reads until it
 * can choose addresses, beside the least that could be asked for, the same pages read by the same
 * client and thrown away; and what memory its copy holds.
 *
 * `npm run bench -- hosts-mirror`; with LANYARD_BENCH_MEMORY=1 the memory is measured instead.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { addressKey, endpointKey, MIRRORED, segmentKey } from '../src/ipam/keys.ts'
import { type EtcdStore, openEtcdStore } from '../src/store/etcd.ts'
import { openMirror } from '../src/store/mirror.ts'
import type { Write } from '../src/store/store.ts'
import { startEtcd } from '../test/support/etcd.ts'
import { measure, timeMs } from './harness.ts'

const LEASES = 65_536
const A_TRANSACTION = 60
const FIRST = 0x0a400000

/** Records of the shape a lease leaves. */
async function fill(store: EtcdStore): Promise<void> {
  const at = '2026-01-01T00:00:00.000Z'
  let next = 0
  const write = async (): Promise<void> => {
    while (next < LEASES) {
      const then: Write[] = []
      for (let i = 0; i < A_TRANSACTION / 2 && next < LEASES; i++, next++) {
        const endpoint = `container-${next}`
        const holder = { network: 'lan', endpoint, mac: '02:42:0a:40:00:00', at, host: 'h1' }
        const ip = addressKey('ip', 'lan', FIRST + next)
        then.push({ put: ip, value: JSON.stringify(holder) })
        const end = endpointKey('end', 'lan', 'lan', endpoint)
        then.push({ put: end, value: JSON.stringify({ addresses: ['10.64.0.0'], at }) })
      }
      await store.transact({ when: [], then })
    }
  }
  await store.transact({ when: [], then: [{ put: segmentKey('lan'), value: '{}' }] })
  await Promise.all(Array.from({ length: 8 }, write))
}

/** The pages a copy is made from, and nothing made of them. */
async function readOnly(store: EtcdStore): Promise<void> {
  let from: string | undefined
  do {
    const page = await store.range('ipam/ip/', {
      limit: 5000,
      ...(from === undefined ? {} : { from }),
    })
    from = page.next
  } while (from !== undefined)
}

async function memory(store: EtcdStore): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = (): number => {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  // What the client and the compiler keep is not the copy's.
  ;(await openMirror(store, [{ prefix: 'ipam/rsv/' }], sleep)).close()
  const before = held()
  const mirror = await openMirror(store, MIRRORED, sleep)
  const mib = (held() - before) / 2 ** 20
  const figures = { bench: 'hosts-mirror memory', entries: mirror.size, mib: +mib.toFixed(1) }
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  mirror.close()
}

const etcd = await startEtcd()
const store = await openEtcdStore({ endpoints: etcd.endpoints, timeoutMs: 20_000 })
await fill(store)
const close = async (): Promise<void> => {
  await store.close()
  await etcd.stop()
}
if (process.env.LANYARD_BENCH_MEMORY === '1') {
  await memory(store)
  await close()
} else
  await measure('hosts-mirror', () => ({
    question: `how long does a host read ${LEASES} leases before it can choose?`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      {
        name: 'lanyard mirror, opened',
        run: () => timeMs(async () => (await openMirror(store, MIRRORED, sleep)).close()),
      },
      { name: 'the same pages, thrown away', run: () => timeMs(() => readOnly(store)) },
    ],
    close,
  }))
