/**
 * Leases of several hosts while a real etcd is ill: members killed and stopped, the leader among
 * them, a full disk, an etcd that was emptied. Nothing is lost and nothing is given twice.
 */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { formatIp } from '../../src/addr/ip.ts'
import { parsePrefix } from '../../src/addr/prefix.ts'
import { createIpam, type Ipam } from '../../src/ipam/ipam.ts'
import { MIRRORED } from '../../src/ipam/keys.ts'
import { lease } from '../../src/ipam/lease.ts'
import { listHoldings } from '../../src/ipam/list.ts'
import { definePools } from '../../src/ipam/pools.ts'
import { release } from '../../src/ipam/release.ts'
import { type EtcdStore, openEtcdStore } from '../../src/store/etcd.ts'
import { type Mirror, openMirror } from '../../src/store/mirror.ts'
import { type EtcdCluster, type Member, startEtcd, whyNoEtcd } from '../support/etcd.ts'

const at = { segment: 'eth0', network: 'lan' }
const missing = whyNoEtcd()
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
}, 120_000)

interface Host {
  readonly ipam: Ipam
  readonly store: EtcdStore
  readonly mirror: Mirror
}

async function started(setup: Parameters<typeof startEtcd>[0]): Promise<EtcdCluster> {
  const etcd = await startEtcd(setup)
  closers.push(() => etcd.stop())
  return etcd
}

async function hostOn(etcd: EtcdCluster, n: number): Promise<Host> {
  const store = await openEtcdStore({ endpoints: etcd.endpoints, timeoutMs: 1500 })
  const mirror = await openMirror(store, MIRRORED, sleep)
  closers.push(async () => {
    mirror.close()
    await store.close()
  })
  const ipam = createIpam(store, {
    nowMs: Date.now,
    cooldownSeconds: 0,
    memorySeconds: 0,
    host: {
      id: `h${n}`,
      slot: n / 4,
      random: Math.random,
      guards: () => [],
      refused: async () => undefined,
      nameOf: async (id) => id,
      mirror,
    },
  })
  return { ipam, store, mirror }
}

/** Leases and releases until told to stop; what was answered to be held at the end. */
async function busy(host: Host, n: number, isOver: () => boolean): Promise<Map<string, string>> {
  const held = new Map<string, string>()
  for (let i = 0; !isOver(); i++) {
    const endpoint = `h${n}-${i % 10}`
    try {
      const before = held.get(endpoint)
      if (before === undefined) {
        const { addresses } = await lease(host.ipam, { ...at, endpoint })
        held.set(endpoint, addresses.map(formatIp).join())
      } else {
        await release(host.ipam, { ...at, endpoint })
        held.delete(endpoint)
      }
    } catch (error) {
      // Nobody knows: the next question settles it.
      expect(String(error)).toMatch(/does not answer/)
      await new Promise((done) => setTimeout(done, 50))
    }
  }
  return held
}

async function survives(etcd: EtcdCluster, ill: () => Promise<void>): Promise<void> {
  const hosts = [await hostOn(etcd, 0), await hostOn(etcd, 1), await hostOn(etcd, 2)]
  const [first] = hosts as [Host]
  await definePools(first.ipam, {
    ...at,
    pools: [{ subnet: parsePrefix('10.9.0.0/26'), exclude: [] }],
  })
  let over = false
  const working = hosts.map((host, n) => busy(host, n, () => over))
  try {
    await ill()
  } finally {
    over = true
  }
  const answered = await Promise.all(working)
  // Each host asks again for what it was told, and for what it does not know.
  for (const [n, held] of answered.entries())
    for (let i = 0; i < 10; i++) {
      const endpoint = `h${n}-${i}`
      const host = hosts[n] as Host
      if (held.has(endpoint)) {
        const again = await lease(host.ipam, { ...at, endpoint })
        expect(again.addresses.map(formatIp).join()).toBe(held.get(endpoint))
      } else await release(host.ipam, { ...at, endpoint })
    }
  const table = (await listHoldings(first.ipam)).filter((one) => one.kind === 'endpoint')
  const pairs = table.map((one) => `${one.holder} ${formatIp(one.address)}`).toSorted()
  expect(new Set(table.map((one) => one.address)).size).toBe(table.length)
  expect(pairs).toEqual(
    answered.flatMap((held) => [...held].map((pair) => pair.join(' '))).toSorted(),
  )
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** The member the others follow. */
function leaderOf(etcd: EtcdCluster): Member {
  const json = execFileSync(
    'etcdctl',
    ['--endpoints', etcd.endpoints.join(','), 'endpoint', 'status', '-w', 'json'],
    { env: { ...process.env, ETCDCTL_API: '3' }, stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const all = JSON.parse(json.toString()) as {
    readonly Endpoint: string
    readonly Status: { readonly leader: number; readonly header: { readonly member_id: number } }
  }[]
  const leader = all.find(({ Status }) => Status.leader === Status.header.member_id)
  return etcd.members.find((one) => one.endpoint === leader?.Endpoint) as Member
}

describe('leases while etcd is ill', () => {
  if (missing !== undefined) {
    test.skip(missing, () => undefined)
    return
  }

  test('one member is stopped for a while, and killed', { timeout: 240_000 }, async () => {
    const etcd = await started({})
    const [member] = etcd.members as [Member]
    await survives(etcd, async () => {
      for (let i = 0; i < 2; i++) {
        await pause(500)
        member.signal('SIGSTOP')
        await pause(2500)
        member.signal('SIGCONT')
        await pause(300)
        await member.kill()
        await member.start()
      }
    })
  })

  test('of three the leader is killed, and stopped', { timeout: 240_000 }, async () => {
    const etcd = await started({ members: 3 })
    await survives(etcd, async () => {
      await pause(500)
      const first = leaderOf(etcd)
      await first.kill()
      await pause(2500)
      await first.start()
      await pause(500)
      const second = leaderOf(etcd)
      second.signal('SIGSTOP')
      await pause(2500)
      second.signal('SIGCONT')
      await pause(500)
    })
  })

  test('its disk is full: said, and over once there is room', { timeout: 240_000 }, async () => {
    const etcd = await started({ args: ['--quota-backend-bytes', '2000000'] })
    const { ipam, store } = await hostOn(etcd, 0)
    await definePools(ipam, { ...at, pools: [{ subnet: parsePrefix('10.9.0.0/24'), exclude: [] }] })
    const one = await lease(ipam, { ...at, endpoint: 'before' })
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 100; i++)
        await store.transact({ when: [], then: [{ put: 'filler', value: 'x'.repeat(100_000) }] })
    }
    await expect(fill()).rejects.toMatchObject({ code: 'store-full' })
    await expect(lease(ipam, { ...at, endpoint: 'during' })).rejects.toMatchObject({
      code: 'store-full',
      mend: expect.stringContaining('etcdctl defrag') as string,
    })
    // What is held can still be read, and asked for again.
    expect((await lease(ipam, { ...at, endpoint: 'before' })).addresses).toEqual(one.addresses)
    const etcdctl = (...args: string[]): void =>
      void execFileSync('etcdctl', ['--endpoints', etcd.endpoints.join(), ...args], {
        env: { ...process.env, ETCDCTL_API: '3' },
        stdio: 'pipe',
      })
    etcdctl('compact', `${await store.revision()}`)
    etcdctl('defrag')
    etcdctl('alarm', 'disarm')
    const two = await lease(ipam, { ...at, endpoint: 'during' })
    expect(two.addresses).not.toEqual(one.addresses)
  })

  test('it was emptied: that is noticed', { timeout: 240_000 }, async () => {
    const etcd = await started({})
    const [member] = etcd.members as [Member]
    const { ipam, store } = await hostOn(etcd, 0)
    await definePools(ipam, { ...at, pools: [{ subnet: parsePrefix('10.9.0.0/24'), exclude: [] }] })
    await lease(ipam, { ...at, endpoint: 'a' })
    let back: unknown
    store.onWentBack((detail) => (back = detail))
    await member.kill()
    rmSync(member.folder, { recursive: true })
    await member.start()
    await expect.poll(async () => (await store.get('x'), back), { timeout: 60_000 }).toBeDefined()
    await expect(lease(ipam, { ...at, endpoint: 'b' })).rejects.toMatchObject({
      code: 'pool-missing',
    })
  })
})
