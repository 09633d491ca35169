/**
 * Handing out addresses of a /16 with 10,000 leases there: does the last cost what the first did,
 * and beside a table in one file that is rewritten as a whole (as host-local's successors in JSON
 * do)? Both answer only when the lease is on disk.
 */
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatIp4 } from '../src/addr/ip4.ts'
import { parsePrefix } from '../src/addr/prefix.ts'
import { createIpam, type Ipam } from '../src/ipam/ipam.ts'
import { lease } from '../src/ipam/lease.ts'
import { definePools } from '../src/ipam/pools.ts'
import { release } from '../src/ipam/release.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { measure, timeMs } from './harness.ts'

const HELD = 10_000
const MEASURED = 200
const at = { segment: 'eth0', network: 'lan' }

/** An ipam on a file of its own, with so many leases. */
async function filled(
  folder: string,
  held: number,
): Promise<{ ipam: Ipam; close(): Promise<void> }> {
  const store = await openLmdbStore(join(folder, `${held}.lmdb`))
  const ipam = createIpam(store, { nowMs: Date.now, cooldownSeconds: 0, memorySeconds: 0 })
  await definePools(ipam, { ...at, pools: [{ subnet: parsePrefix('10.0.0.0/16'), exclude: [] }] })
  for (let i = 0; i < held; i += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, j) => lease(ipam, { ...at, endpoint: `held-${i + j}` })),
    )
  return { ipam, close: () => store.close() }
}

/** Microseconds a lease, one after another. */
async function oneByOne(ipam: Ipam): Promise<number> {
  const ms = await timeMs(async () => {
    for (let i = 0; i < MEASURED; i++) await lease(ipam, { ...at, endpoint: `new-${i}` })
  })
  return (ms * 1000) / MEASURED
}

async function atOnce(ipam: Ipam): Promise<number> {
  const ms = await timeMs(async () => {
    for (let i = 0; i < MEASURED; i += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, j) => lease(ipam, { ...at, endpoint: `new-${i + j}` })),
      )
  })
  return (ms * 1000) / MEASURED
}

async function giveBack(ipam: Ipam): Promise<void> {
  await Promise.all(
    Array.from({ length: MEASURED }, (_, i) => release(ipam, { ...at, endpoint: `new-${i}` })),
  )
}

/** Read all, take the lowest free, write all beside it, fsync, rename. */
function wholeFile(path: string, endpoint: string): void {
  const table = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>
  let ip = 0x0a000001
  while (table[formatIp4(ip)] !== undefined) ip++
  table[formatIp4(ip)] = endpoint
  write(path, JSON.stringify(table))
}

function write(path: string, text: string): void {
  const file = openSync(`${path}.new`, 'w')
  writeSync(file, text)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
}

await measure('leases', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-leases-'))
  const full = await filled(folder, HELD)
  const empty = await filled(folder, 0)
  const json = join(folder, 'table.json')
  const held = Array.from({ length: HELD }, (_, i) => [formatIp4(0x0a000001 + i), `held-${i}`])
  const table = JSON.stringify(Object.fromEntries(held))
  write(json, table)
  return {
    question: `how long does a lease of a /16 take when ${HELD} are held already?`,
    unit: 'us',
    better: 'lower',
    contestants: [
      {
        name: 'lanyard, 10,000 held',
        run: () => oneByOne(full.ipam),
        reset: () => giveBack(full.ipam),
      },
      {
        name: 'lanyard, none held',
        run: () => oneByOne(empty.ipam),
        reset: () => giveBack(empty.ipam),
      },
      {
        name: 'lanyard, 10,000 held, 20 at once',
        run: () => atOnce(full.ipam),
        reset: () => giveBack(full.ipam),
      },
      {
        name: 'one JSON file rewritten, 10,000 held',
        run: async () => {
          const ms = await timeMs(() => {
            for (let i = 0; i < 20; i++) wholeFile(json, `new-${i}`)
          })
          return (ms * 1000) / 20
        },
        reset: () => write(json, table),
      },
    ],
    close: async () => {
      await full.close()
      await empty.close()
      rmSync(folder, { recursive: true })
    },
  }
})
