import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { openEngine } from '../src/engine/engine.ts'
import type { NetworkSpec } from '../src/engine/types.ts'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
const COUNT = Number(process.env.ENDPOINTS ?? 100)
const HOST = 'zzhost'
const boxes = Array.from({ length: COUNT }, (_, i) => `${HOST}-${i}`)
const SUBNET = 0x0a640000
const spec: NetworkSpec = { name: 'lan', kind: 'macvlan', parent: 'p0', pools: [{ subnet: { address: SUBNET, length: 16 }, gateway: SUBNET + 1, exclude: [] }], hostAccess: true, internal: false, check: 'never', attach: 'child', labels: {} }
const median = (f: readonly number[]): number => f.toSorted((a, b) => a - b)[Math.floor(f.length / 2)] ?? NaN
const kernel = await openKernel()
const store = await openLmdbStore(join(mkdtempSync(process.env.DIR ?? '/tmp/hosts-x/p'), 'store'))
await kernel.apply([...[HOST, ...boxes].map((netns): Op => ({ do: 'netns.add', netns })), { do: 'link.add', netns: HOST, name: 'p0', spec: { kind: 'veth', peer: { name: 'p1' } }, up: true }, { do: 'link.set', netns: HOST, name: 'p1', up: true }, { do: 'address.add', netns: HOST, link: 'p0', address: { address: SUBNET + 2, length: 16 } }])
const acc = new Map<string, number[]>()
const note = (k: string, ms: number) => { const a = acc.get(k) ?? []; a.push(ms); acc.set(k, a) }
const wrap = <T extends object>(o: T, names: string[], tag: string): T => new Proxy(o, { get(t, p) { const v = Reflect.get(t, p, t) as unknown; if (typeof v !== 'function') return v; if (!names.includes(String(p))) return v.bind(t); return async (...a: unknown[]) => { const s = performance.now(); const r = await v.apply(t, a); const e = performance.now(); note(`${tag}.${String(p)}`, e - s); if (process.env.TRACE && tracing) console.error(`${(s-t0).toFixed(2)}..${(e-t0).toFixed(2)} ${tag}.${String(p)} ${JSON.stringify(a[0], (_k, x) => typeof x === 'bigint' ? String(x) : x)?.slice(0, 160)}`); return r } } })
let last = 0; let tracing = false; let t0 = 0
const engine = await openEngine({ fabric: wrap(kernel, ['apply', 'snapshot', 'probe', 'openPort'], 'fabric'), store: wrap(store, ['get', 'range', 'transact'], 'store'), host: HOST, random: (c) => randomBytes(c), now: () => Date.now(), faults: { at(s) { const n = performance.now(); note(s, n - last); last = n } } })
await engine.createNetwork(spec)
const each: number[] = []
for (const [i, sandbox] of boxes.entries()) {
  const start = performance.now(); last = start; t0 = start; tracing = i === COUNT - 5
  await engine.connect({ network: 'lan', endpoint: sandbox, sandbox })
  each.push(performance.now() - start)
  tracing = false
}
console.log('connect', median(each), 'first', median(each.slice(0,100)), 'last', median(each.slice(-100)), 'min', Math.min(...each), 'cpu', process.resourceUsage().userCPUTime, 'rss', process.memoryUsage.rss() / 1e6)
for (const [k, v] of acc) console.log(k.padEnd(26), 'n', v.length / COUNT, 'median', median(v).toFixed(3), 'min', Math.min(...v).toFixed(3), 'sum/conn', (v.reduce((a, b) => a + b, 0) / COUNT).toFixed(2))
if (process.env.REMOVE) { const s = performance.now(); for (const b of boxes) await engine.disconnect('lan', b); console.log('disconnect each', (performance.now() - s) / COUNT) }
await engine.close(); await store.close(); await kernel.apply([HOST, ...boxes].map((netns): Op => ({ do: 'netns.del', netns })), { keepGoing: true }); await kernel.close()
