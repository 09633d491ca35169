import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { formatIp, parseIp } from '../addr/ip.ts'
import type { Probe, ProbeResult } from '../fabric/fabric.ts'
import { createNetns, deleteNetns, listNetns } from './netns.ts'
import { runProbes } from './probe.ts'
import { settleNetns } from './settle.ts'

/**
 *   sysk-a v --- w sysk-r x --- y sysk-c
 *   10.9.0.1     .2       10.9.1.1  .2
 */
const TOPOLOGY = `
-n sysk-a link set lo up
-n sysk-r link set lo up
-n sysk-c link set lo up
-n sysk-a link add v type veth peer name w netns sysk-r
-n sysk-r link add x type veth peer name y netns sysk-c
-n sysk-a link set v up
-n sysk-r link set w up
-n sysk-r link set x up
-n sysk-c link set y mtu 1400
-n sysk-r link set x mtu 1400
-n sysk-c link set y up
-n sysk-a addr add 10.9.0.1/24 brd + dev v
-n sysk-r addr add 10.9.0.2/24 brd + dev w
-n sysk-r addr add 10.9.1.1/24 brd + dev x
-n sysk-c addr add 10.9.1.2/24 brd + dev y
-n sysk-a addr add fd00:9::1/64 dev v nodad
-n sysk-r addr add fd00:9::2/64 dev w nodad
-n sysk-r addr add fd00:91::1/64 dev x nodad
-n sysk-c addr add fd00:91::2/64 dev y nodad
-n sysk-a route add 10.9.1.0/24 via 10.9.0.2
-n sysk-c route add 10.9.0.0/24 via 10.9.1.1
-n sysk-a route add fd00:91::/64 via fd00:9::2
-n sysk-c route add fd00:9::/64 via fd00:91::1
-n sysk-a route add prohibit 10.8.0.0/24
-n sysk-a route add 10.7.0.0/16 via 10.9.0.2
netns exec sysk-r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
netns exec sysk-r sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0
`

const from = 'sysk-a'
const near = parseIp('10.9.0.2')
const far = parseIp('10.9.1.2')

async function ping(
  to: string,
  options: Partial<Probe & { protocol: 'icmp' }> = {},
): Promise<ProbeResult> {
  return await one({ from, to: parseIp(to), protocol: 'icmp', timeoutMs: 500, ...options })
}

async function one(probe: Probe): Promise<ProbeResult> {
  const [result] = await runProbes([probe])
  if (result === undefined) throw new Error('no result')
  return result
}

describeKernel('probes', () => {
  beforeAll(async () => {
    for (const name of ['sysk-a', 'sysk-r', 'sysk-c']) createNetns(name)
    for (const line of TOPOLOGY.trim().split('\n')) execFileSync('ip', line.split(' '))
    // IPv6 forwards once the link-local address of the way out is no longer tentative.
    for (let i = 0; i < 40 && (await ping('fd00:91::2')).outcome !== 'reply'; i++);
  })
  afterAll(() => {
    for (const name of listNetns()) if (name.startsWith('sysk-')) deleteNetns(name)
  })

  test('runProbes() tells TTL, round trip and who answered', async () => {
    const direct = await ping('10.9.0.2')
    expect(direct).toMatchObject({ outcome: 'reply', ttl: 64, responder: near })
    expect(direct.outcome === 'reply' && direct.rttNs).toBeGreaterThan(1000)
    expect(direct.outcome === 'reply' && direct.rttNs).toBeLessThan(100e6)
    expect(await ping('10.9.1.2')).toMatchObject({ outcome: 'reply', ttl: 63, responder: far })
    expect(await ping('fd00:9::2')).toMatchObject({ outcome: 'reply', ttl: 64 })
    expect(await ping('fd00:91::2')).toMatchObject({ outcome: 'reply', ttl: 63 })
    expect(await ping('10.9.0.1')).toMatchObject({ outcome: 'reply', ttl: 64 })
  })

  test('runProbes() carries payloads of any size', async () => {
    for (const size of [0, 1, 3, 4, 1472, 1473, 65507]) {
      expect(await ping('10.9.0.2', { size })).toMatchObject({ outcome: 'reply' })
      expect(await ping('fd00:9::2', { size: Math.min(size, 65487) })).toMatchObject({
        outcome: 'reply',
      })
    }
  })

  test('runProbes() reports the ICMP errors of routers', async () => {
    expect(await ping('10.9.1.2', { ttl: 1 })).toMatchObject({
      outcome: 'icmp-error',
      type: 11,
      code: 0,
      responder: near,
    })
    expect(await ping('fd00:91::2', { ttl: 1 })).toMatchObject({ type: 3, code: 0 })
    expect(await ping('10.7.0.1')).toMatchObject({ type: 3, code: 0, responder: near })
    expect(await ping('10.9.1.2', { size: 1450, pmtu: 'do' })).toMatchObject({
      type: 3,
      code: 4,
      mtu: 1400,
    })
    // Learned: now the own kernel refuses.
    expect(await ping('10.9.1.2', { size: 1450, pmtu: 'do' })).toEqual({
      outcome: 'errno',
      errno: 'EMSGSIZE',
      mtu: 1400,
    })
    expect(await ping('10.9.1.2', { size: 1450, pmtu: 'dont' })).toMatchObject({ ttl: 63 })
    expect(await ping('fd00:91::2', { size: 1450, pmtu: 'do' })).toMatchObject({
      type: 2,
      mtu: 1400,
    })
  })

  test('runProbes() gives the errno of a send that fails at once', async () => {
    const errno = async (to: string, options = {}): Promise<unknown> => {
      const result = await ping(to, options)
      return result.outcome === 'errno' ? result.errno : result
    }
    expect(await errno('192.0.2.1')).toBe('ENETUNREACH')
    expect(await errno('2001:db8::1')).toBe('ENETUNREACH')
    expect(await errno('10.8.0.1')).toBe('EACCES')
    expect(await errno('10.9.0.255')).toBe('EACCES')
    expect(await errno('10.9.0.2', { link: 'nosuch' })).toBe('ENODEV')
    expect(await errno('10.9.0.2', { source: parseIp('10.9.0.77') })).toBe('EADDRNOTAVAIL')
    expect(await errno('10.9.0.2', { source: parseIp('fd00:9::1') })).toBe('EINVAL')
    expect(await errno('10.9.0.2', { size: 1473, pmtu: 'do' })).toBe('EMSGSIZE')
  })

  test('runProbes() hears the own kernel when a neighbour does not answer', async () => {
    const [v4, v6] = await runProbes([
      { protocol: 'icmp', from, to: parseIp('10.9.0.99'), timeoutMs: 5000 },
      { protocol: 'icmp', from, to: parseIp('fd00:9::99'), timeoutMs: 5000 },
    ])
    const own = { outcome: 'icmp-error', type: 3, code: 1, responder: parseIp('10.9.0.1') }
    expect(v4).toMatchObject(own)
    expect(v6).toMatchObject({ type: 1, code: 3, responder: parseIp('fd00:9::1') })
  })

  test('runProbes() pings a broadcast address and says who answered', async () => {
    expect(await ping('10.9.0.255', { broadcast: true })).toMatchObject({
      outcome: 'reply',
      responder: near,
    })
  })

  test('runProbes() reaches link-local addresses by their link', async () => {
    const text = execFileSync('ip', ['-n', 'sysk-r', '-6', '-o', 'addr', 'show', 'dev', 'w'], {
      encoding: 'utf8',
    })
    const linkLocal = /fe80[0-9a-f:]+/.exec(text)?.[0] ?? ''
    // Without a link the route decides, as for ping.
    expect(await ping(linkLocal)).toMatchObject({ outcome: 'reply' })
    const reply = await ping(linkLocal, { link: 'v' })
    expect(reply.outcome === 'reply' && formatIp(reply.responder)).toBe(linkLocal)
  })

  test('runProbes() asks by ARP who is on a link', async () => {
    const arp = { protocol: 'arp', from, link: 'v', timeoutMs: 200 } as const
    const results = await runProbes([
      { ...arp, to: near },
      { ...arp, to: parseIp('10.9.0.99') },
      { ...arp, to: near, source: parseIp('10.9.0.1') },
      { ...arp, to: near, link: 'nosuch' },
      { ...arp, to: parseIp('fd00:9::2') },
    ])
    expect(results).toMatchObject([
      { outcome: 'reply', responder: near, ttl: undefined },
      { outcome: 'timeout' },
      { outcome: 'reply' },
      { outcome: 'errno', errno: 'ENODEV' },
      { outcome: 'errno', errno: 'EAFNOSUPPORT' },
    ])
  })

  test('runProbes() knows an open, a closed and an unreachable port', async () => {
    const server = await listenIn('sysk-c')
    try {
      const base = { from, to: far, timeoutMs: 1000 } as const
      const results = await runProbes([
        { ...base, protocol: 'tcp', port: server.tcp },
        { ...base, protocol: 'tcp', port: 9 },
        { ...base, protocol: 'udp', port: server.udp },
        { ...base, protocol: 'udp', port: 9 },
        { ...base, protocol: 'udp', port: 9, to: parseIp('10.7.0.1') },
        { ...base, protocol: 'tcp', port: 9, to: parseIp('10.7.0.1') },
        { ...base, protocol: 'tcp', port: 9, to: parseIp('192.0.2.1') },
        { ...base, protocol: 'udp', port: server.udp, to: parseIp('fd00:91::2') },
        { ...base, protocol: 'tcp', port: server.tcp, to: parseIp('fd00:91::2') },
        { ...base, protocol: 'udp', port: 9, to: parseIp('fd00:91::2') },
      ])
      expect(results).toMatchObject([
        { outcome: 'reply', responder: far, ttl: undefined },
        { outcome: 'errno', errno: 'ECONNREFUSED' },
        { outcome: 'reply', ttl: 63 },
        { outcome: 'errno', errno: 'ECONNREFUSED' },
        { outcome: 'icmp-error', type: 3, code: 0, responder: near },
        { outcome: 'icmp-error', type: 3, code: 0, responder: near },
        { outcome: 'errno', errno: 'ENETUNREACH' },
        { outcome: 'reply', ttl: 63 },
        { outcome: 'reply' },
        { outcome: 'errno', errno: 'ECONNREFUSED' },
      ])
    } finally {
      server.close()
    }
  })

  test('runProbes() starts probes later and keeps them in order', async () => {
    const started = performance.now()
    const results = await runProbes([
      { protocol: 'icmp', from, to: near, startMs: 120 },
      { protocol: 'icmp', from, to: parseIp('10.9.0.98'), timeoutMs: 60 },
      { protocol: 'icmp', from, to: far, startMs: 60 },
    ])
    expect(results.map((r) => r.outcome)).toEqual(['reply', 'timeout', 'reply'])
    expect(performance.now() - started).toBeGreaterThan(115)
  })

  test('runProbes() sends one after the other when asked to', async () => {
    const started = performance.now()
    const silent = { protocol: 'icmp', from, to: parseIp('10.9.0.97'), timeoutMs: 50 } as const
    const results = await runProbes([silent, silent, silent], { sequential: true })
    expect(results.length).toBe(3)
    expect(performance.now() - started).toBeGreaterThan(145)
  })

  test('runProbes() runs thousands at once and mixes none of them up', async () => {
    const probes = Array.from({ length: 5000 }, (_, i): Probe => {
      const ttl = 60 + (i % 4)
      return {
        protocol: 'icmp',
        from,
        to: i % 3 === 0 ? far : near,
        ttl,
        sequence: i,
        size: i % 99,
      }
    })
    const results = await runProbes(probes)
    expect(
      results.filter((r, i) => r.outcome === 'reply' && r.responder === probes[i]?.to).length,
    ).toBe(5000)
  })

  test('runProbes() keeps on while more packets wait for neighbours than a socket may hold', async () => {
    const silent = (i: number): Probe => {
      const to = parseIp(`10.9.0.${100 + (i % 100)}`)
      return { protocol: 'icmp', from, to, size: 60_000, timeoutMs: 400 }
    }
    const probes = Array.from({ length: 400 }, (_, i) => silent(i))
    const last: Probe = { protocol: 'icmp', from, to: near, startMs: 50, timeoutMs: 20_000 }
    const results = await runProbes([...probes, last])
    expect(results.at(-1)?.outcome).toBe('reply')
    // Where the machine is too busy to look for three seconds, the kernel has given up before us.
    const silence = ['timeout', 'icmp-error']
    expect(results.slice(0, -1).filter((r) => !silence.includes(r.outcome))).toEqual([])
  })

  test('runProbes() tells the redirects that came before the answer', async () => {
    const lines = ['a', 'r', 'c'].flatMap((host, i) => [
      `-n sysk-sw link add p${host} type veth peer name lan netns sysk-${host}`,
      `-n sysk-sw link set p${host} master sw0 up`,
      `-n sysk-${host} link set lan up`,
      `-n sysk-${host} addr add 10.5.0.${i + 1}/24 dev lan`,
      `-n sysk-${host} addr add fd00:5::${i + 1}/64 dev lan nodad`,
    ])
    createNetns('sysk-sw')
    for (const line of [
      '-n sysk-sw link add sw0 type bridge',
      '-n sysk-sw link set sw0 up',
      ...lines,
      '-n sysk-c addr add 10.6.0.1/32 dev lan',
      '-n sysk-c addr add fd00:6::1/128 dev lan nodad',
      '-n sysk-a route add 10.6.0.0/24 via 10.5.0.2',
      '-n sysk-a route add fd00:6::/64 via fd00:5::2',
      '-n sysk-r route add 10.6.0.0/24 via 10.5.0.3',
    ]) {
      execFileSync('ip', line.split(' '))
    }
    await settleNetns(['sysk-r', 'sysk-c'])
    const linkLocalOf = (host: string): string => {
      const args = ['-n', host, '-6', '-o', 'addr', 'show', 'dev', 'lan']
      return /fe80[0-9a-f:]+/.exec(execFileSync('ip', args, { encoding: 'utf8' }))?.[0] ?? ''
    }
    // An IPv6 redirect names a link-local address (net/ipv6/ndisc.c ndisc_send_redirect).
    const gateway = linkLocalOf('sysk-c')
    const route = `-n sysk-r route add fd00:6::/64 via ${gateway} dev lan`
    execFileSync('ip', route.split(' '))
    expect(await ping('10.6.0.1')).toMatchObject({
      outcome: 'reply',
      redirects: [{ responder: parseIp('10.5.0.2'), gateway: parseIp('10.5.0.3') }],
    })
    const v6 = await ping('fd00:6::1')
    expect(v6).toMatchObject({
      outcome: 'reply',
      redirects: [{ responder: parseIp(linkLocalOf('sysk-r')), gateway: parseIp(gateway) }],
    })
  })

  test('runProbes() rejects for a namespace that is not there', async () => {
    const gone = { protocol: 'icmp', from: 'sysk-nobody', to: near } as const
    await expect(runProbes([gone])).rejects.toMatchObject({ code: 'netns-missing' })
  })
})

/** TCP and UDP echo servers inside a namespace: children, for a listening socket needs a loop. */
async function listenIn(netns: string): Promise<{ tcp: number; udp: number; close: () => void }> {
  const { spawn } = await import('node:child_process')
  const script = `
    const net = require('net').createServer((s) => s.on('error', () => 0)).listen(7001, '::', () =>
      require('dgram').createSocket('udp6').on('message', function (m, r) {
        this.send(m, r.port, r.address)
      }).bind(7002, () => console.log('up')))`
  const child = spawn('ip', ['netns', 'exec', netns, process.execPath, '-e', script], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { tcp: 7001, udp: 7002, close: () => child.kill() }
}
