import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { bridgeJson, ip, ipJson } from '../../test/ip-json.ts'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { LinkSpec, Op } from '../fabric/plan.ts'
import { applyPlan } from './apply.ts'
import { createNetns, deleteNetns, hasNetns, listNetns } from './netns.ts'

const A = 'nlk-a'
const B = 'nlk-b'
const VETH: LinkSpec = { kind: 'veth', peer: { name: 'v1' } }

/** One line an outcome: `ok`, or errno and text. */
async function answers(...plan: readonly Op[]): Promise<readonly string[]> {
  const outcomes = await applyPlan(plan, { keepGoing: true })
  return outcomes.map((one) => (one.ok ? 'ok' : `${one.errno} ${one.extack ?? '-'}`))
}

async function done(...plan: readonly Op[]): Promise<void> {
  await applyPlan(plan)
}

const linkOf = (netns: string, name: string) =>
  ipJson(netns, 'link', 'show', name)[0] as unknown as {
    readonly flags: readonly string[]
    readonly mtu: number
    readonly group: string
    readonly address: string
    readonly ifalias?: string
    readonly master?: string
    readonly txqlen: number
    readonly linkinfo: {
      readonly info_kind: string
      readonly info_data: Readonly<Record<string, unknown>>
      readonly info_slave_data: Readonly<Record<string, unknown>>
    }
  }

const names = (netns: string) => ipJson(netns, 'link').map((row) => row['ifname'])

function sweep(): void {
  for (const name of listNetns()) if (name.startsWith('nlk-')) deleteNetns(name)
}

describeKernel('applyPlan() on the kernel', () => {
  beforeEach(() => {
    sweep()
    createNetns(A)
    createNetns(B)
    ip(A, 'link add p0 type veth peer name p1', 'link set p1 up', 'link set p0 up')
  })
  afterEach(sweep)

  test('netns.add and netns.del make and remove names, and say what ip netns says', async () => {
    await done({ do: 'netns.add', netns: 'nlk-c' })
    expect(hasNetns('nlk-c')).toBe(true)
    expect(
      await answers(
        { do: 'netns.add', netns: 'nlk-c' },
        { do: 'netns.del', netns: 'nlk-c' },
        { do: 'netns.del', netns: 'nlk-c' },
        { do: 'link.add', netns: 'nlk-c', name: 'x', spec: { kind: 'bridge' } },
        { do: 'address.del', netns: 'nlk-c', link: 'x', address: parsePrefix('10.0.0.1/8') },
      ),
    ).toEqual(['EEXIST -', 'ok', 'ENOENT -', 'ENOENT -', 'ENOENT -'])
  })

  test('netns.del lets the namespace go although the plan has worked in it', async () => {
    await done(
      {
        do: 'link.add',
        netns: B,
        name: 'm0',
        parentNetns: A,
        spec: { kind: 'macvlan', parent: 'p0' },
      },
      { do: 'link.set', netns: B, name: 'm0', up: true },
      { do: 'netns.del', netns: B },
    )
    // A macvlan dies with its namespace; the name would still be taken in the parent otherwise.
    await expect.poll(() => ipJson(A, 'link', 'show', 'p0')[0]?.['promiscuity']).toBe(0)
  })

  test('link.add makes a macvlan in place, with everything said about it', async () => {
    await done({
      do: 'link.add',
      netns: B,
      name: 'm0',
      parentNetns: A,
      spec: {
        kind: 'macvlan',
        parent: 'p0',
        macvlan: { mode: 'bridge', broadcastQueueLength: 77 },
      },
      address: parseMac('02:00:00:00:00:11'),
      mtu: 1400,
      group: 42,
      alias: 'made here',
      txQueueLength: 5,
      promisc: true,
      allmulticast: true,
      arp: false,
      up: true,
    })
    const made = linkOf(B, 'm0')
    expect(made).toMatchObject({
      address: '02:00:00:00:00:11',
      mtu: 1400,
      group: '42',
      ifalias: 'made here',
      txqlen: 5,
    })
    expect(made.linkinfo.info_data).toMatchObject({ mode: 'bridge', bcqueuelen: 77 })
    expect(made.flags).toEqual(expect.arrayContaining(['UP', 'PROMISC', 'ALLMULTI', 'NOARP']))
  })

  test('link.add that is refused leaves nothing, also when the refusal comes late', async () => {
    const twin = { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } } as const
    const address = parseMac('02:00:00:00:00:11')
    expect(
      await answers(
        { do: 'link.add', netns: A, name: 'm0', spec: twin, address, up: true },
        // The kernel looks for twins when the link comes up.
        { do: 'link.add', netns: A, name: 'm1', spec: twin, address, up: true },
        { do: 'link.add', netns: A, name: 'm2', spec: twin, alias: 'x'.repeat(300) },
        { do: 'link.add', netns: A, name: 'm3', spec: twin, master: 'nobody' },
        { do: 'link.add', netns: A, name: 't0', spec: { kind: 'tap' }, mtu: 20 },
      ),
    ).toEqual([
      'ok',
      'EADDRINUSE -',
      expect.stringMatching(/^ERANGE/) as string,
      'ENODEV -',
      expect.stringMatching(/^EINVAL mtu less than device minimum/) as string,
    ])
    expect(names(A)).toEqual(expect.not.arrayContaining(['m1', 'm2', 'm3', 't0']))
  })

  test('link.add makes veth pairs over namespaces', async () => {
    const peer = {
      name: 'v1',
      netns: B,
      address: parseMac('02:00:00:00:00:22'),
      mtu: 1300,
    }
    await done({ do: 'link.add', netns: A, name: 'v0', spec: { kind: 'veth', peer }, up: true })
    expect(linkOf(B, 'v1')).toMatchObject({ address: '02:00:00:00:00:22', mtu: 1300 })
    expect(linkOf(A, 'v0').flags).toContain('UP')
    const twin: LinkSpec = { kind: 'veth', peer: { name: 'w1' } }
    await done({ do: 'link.add', netns: B, name: 'w0', parentNetns: A, spec: twin })
    expect(names(B)).toEqual(expect.arrayContaining(['w0', 'w1']))
  })

  test('link.add makes bridges, macvtaps, taps, tuns and source-mode macvlans', async () => {
    const macs = ['02:00:00:00:00:31', '02:00:00:00:00:32'].map(parseMac)
    await done(
      {
        do: 'link.add',
        netns: A,
        name: 'br0',
        spec: { kind: 'bridge', bridge: { ageingTime: 12, forwardDelay: 4, groupForwardMask: 8 } },
      },
      { do: 'link.add', netns: A, name: 'mt0', spec: { kind: 'macvtap', parent: 'p0' } },
      { do: 'link.add', netns: A, name: 'tap0', spec: { kind: 'tap' }, up: true, master: 'br0' },
      { do: 'link.add', netns: A, name: 'tun0', spec: { kind: 'tun' }, alias: 'a tun' },
      {
        do: 'link.add',
        netns: A,
        name: 'src0',
        spec: {
          kind: 'macvlan',
          parent: 'p0',
          macvlan: { mode: 'source', nodst: true, sources: { change: 'set', macs } },
        },
      },
    )
    expect(linkOf(A, 'br0').linkinfo.info_data).toMatchObject({
      ageing_time: 1200,
      forward_delay: 400,
      group_fwd_mask: '0x8',
    })
    expect(linkOf(A, 'mt0').linkinfo.info_kind).toBe('macvtap')
    expect(linkOf(A, 'tap0')).toMatchObject({ master: 'br0' })
    expect(linkOf(A, 'tun0')).toMatchObject({ ifalias: 'a tun' })
    const source = linkOf(A, 'src0').linkinfo.info_data
    expect(source).toMatchObject({ mode: 'source' })
    expect(JSON.stringify(source)).toContain('02:00:00:00:00:32')
  })

  test('link.add says what the kernel says', async () => {
    const on = (parent: string | undefined): LinkSpec => ({ kind: 'macvlan', parent })
    const make = (name: string, spec: LinkSpec, more: object = {}): Op =>
      ({ do: 'link.add', netns: A, name, spec, ...more }) as Op
    expect(
      await answers(
        make('m0', on(undefined)),
        make('m0', on('nope')),
        make('m0', on('lo')),
        make('p0', on('p0')),
        make('abcdefghijklmnop', on('p0')),
        make('m0', on('p0'), { address: parseMac('01:00:5e:00:00:01') }),
        make('m0', on('p0'), { mtu: 1501 }),
        make('m0', { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } }),
        make('m1', { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'passthru' } }),
        make('v0', { kind: 'veth', peer: { name: 'p0' } }),
      ),
    ).toEqual([
      'EINVAL -',
      'ENODEV -',
      'EINVAL -',
      'EEXIST -',
      'ERANGE Attribute failed policy validation',
      'EADDRNOTAVAIL -',
      'EINVAL -',
      'ok',
      'EINVAL -',
      'EEXIST -',
    ])
  })

  test('link.set changes, renames, moves, enslaves and frees', async () => {
    await done(
      { do: 'link.add', netns: A, name: 'v0', spec: VETH },
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
      { do: 'link.set', netns: A, name: 'v0', master: 'br0', mtu: 1450, group: 9, alias: 'port' },
    )
    expect(linkOf(A, 'v0')).toMatchObject({ master: 'br0', mtu: 1450, group: '9', ifalias: 'port' })
    await done(
      { do: 'link.set', netns: A, name: 'v0', master: null, newName: 'w0', alias: '' },
      { do: 'link.set', netns: A, name: 'w0', newNetns: B, up: true },
      {
        do: 'link.set',
        netns: B,
        name: 'w0',
        newName: 'x0',
        address: parseMac('02:00:00:00:00:41'),
      },
    )
    expect(names(A)).not.toContain('w0')
    const moved = linkOf(B, 'x0')
    expect(moved).toMatchObject({ address: '02:00:00:00:00:41' })
    expect(moved.master).toBeUndefined()
    expect(moved.ifalias).toBeUndefined()
    expect(moved.flags).toContain('UP')
  })

  test('link.set changes macvlan mode, flags one by one, and source lists', async () => {
    const macs = ['02:00:00:00:00:31', '02:00:00:00:00:32'].map(parseMac)
    const set = (macvlan: object): Op => ({ do: 'link.set', netns: A, name: 'm0', macvlan })
    await done(
      { do: 'link.add', netns: A, name: 'm0', spec: { kind: 'macvlan', parent: 'p0' } },
      set({ mode: 'source' }),
      set({ sources: { change: 'add', macs } }),
      set({ nodst: true }),
      set({ nopromisc: false, broadcastQueueLength: 5 }),
    )
    const data = linkOf(A, 'm0').linkinfo.info_data as { flags?: unknown }
    expect(data).toMatchObject({ mode: 'source', bcqueuelen: 5 })
    expect(JSON.stringify(data)).toContain('nodst')
    expect(JSON.stringify(data)).toContain('02:00:00:00:00:31')
    await done(set({ sources: { change: 'remove', macs: macs.slice(0, 1) } }))
    expect(JSON.stringify(linkOf(A, 'm0'))).not.toContain('02:00:00:00:00:31')
    await done(set({ sources: { change: 'flush', macs: [] } }))
    expect(JSON.stringify(linkOf(A, 'm0'))).not.toContain('02:00:00:00:00:32')
    expect(await answers(set({ mode: 'passthru' }), set({ mode: 'private' }))).toEqual([
      'EINVAL -',
      'ok',
    ])
  })

  test('link.set changes bridge and port options', async () => {
    await done(
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
      {
        do: 'link.set',
        netns: A,
        name: 'p1',
        master: 'br0',
        port: { hairpin: true, isolated: true, learning: false, flood: false },
      },
      { do: 'link.set', netns: A, name: 'br0', bridge: { stp: true, multicastSnooping: false } },
    )
    expect(linkOf(A, 'p1').linkinfo.info_slave_data).toMatchObject({
      hairpin: true,
      isolated: true,
      learning: false,
      flood: false,
      bcast_flood: true,
    })
    expect(linkOf(A, 'br0').linkinfo.info_data).toMatchObject({ stp_state: 1, mcast_snooping: 0 })
    expect(
      await answers(
        { do: 'link.set', netns: A, name: 'p0', port: { hairpin: true } },
        { do: 'link.set', netns: A, name: 'lo', master: 'br0' },
        { do: 'link.set', netns: A, name: 'p0', mtu: 67 },
        { do: 'link.set', netns: A, name: 'none', up: true },
        { do: 'link.set', netns: A, name: 'p0', master: 'none' },
      ),
    ).toEqual([
      'EOPNOTSUPP -',
      'EINVAL -',
      'EINVAL mtu less than device minimum',
      'ENODEV -',
      'ENODEV -',
    ])
  })

  test('link.del and link.del-group remove, with all that hangs on it', async () => {
    const child: LinkSpec = { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } }
    await done(
      { do: 'link.add', netns: A, name: 'm0', spec: child, group: 77 },
      { do: 'link.add', netns: A, name: 'm1', spec: child, group: 77 },
      { do: 'link.add', netns: A, name: 'm2', spec: child },
      { do: 'link.del-group', netns: A, group: 77 },
    )
    expect(names(A)).toEqual(expect.not.arrayContaining(['m0', 'm1']))
    expect(names(A)).toContain('m2')
    expect(
      await answers(
        { do: 'link.del-group', netns: A, group: 77 },
        { do: 'link.del-group', netns: A, group: 0 },
        { do: 'link.del', netns: A, name: 'm2' },
        { do: 'link.del', netns: A, name: 'm2' },
        { do: 'link.del', netns: A, name: 'p0' },
        { do: 'link.set', netns: A, name: 'p1', up: true },
      ),
    ).toEqual(['ENODEV -', 'EPERM -', 'ok', 'ENODEV -', 'ok', 'ENODEV -'])
  })

  test('a name that means another link by now is looked up again', async () => {
    await done(
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' }, up: true },
      { do: 'address.add', netns: A, link: 'br0', address: parsePrefix('10.1.0.1/24') },
      { do: 'link.del', netns: A, name: 'br0' },
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' }, up: true },
      { do: 'address.add', netns: A, link: 'br0', address: parsePrefix('10.1.0.2/24') },
    )
    expect(JSON.stringify(ipJson(A, 'addr', 'show', 'br0'))).toContain('10.1.0.2')
  })

  test('address ops add, refuse, delete and flush', async () => {
    const add = (text: string, more: object = {}): Op =>
      ({ do: 'address.add', netns: A, link: 'p0', address: parsePrefix(text), ...more }) as Op
    expect(
      await answers(
        add('10.0.0.1/24', { broadcast: parseIp('10.0.0.255') }),
        add('10.0.0.2/24', { noprefixroute: true }),
        add('10.2.0.2/24', { scope: 'link' }),
        add('10.0.0.1/24'),
        add('fd00::1/64', { nodad: true }),
        { ...add('10.0.0.9/24'), do: 'address.del' } as Op,
        { ...add('10.0.0.9/24'), link: 'none' } as Op,
      ),
    ).toEqual([
      'ok',
      'ok',
      'ok',
      'EEXIST ipv4: Address already assigned',
      'ok',
      'EADDRNOTAVAIL ipv4: Address not found',
      'ENODEV -',
    ])
    const rows = ipJson(A, 'addr', 'show', 'p0')[0]?.['addr_info'] as Row[]
    const row = (ip: string) => rows.find((one) => one['local'] === ip)
    expect(row('10.0.0.1')).toMatchObject({
      prefixlen: 24,
      broadcast: '10.0.0.255',
      scope: 'global',
    })
    expect(row('10.0.0.2')).toMatchObject({ noprefixroute: true, secondary: true })
    expect(row('10.2.0.2')).toMatchObject({ scope: 'link' })
    expect(row('fd00::1')).toMatchObject({ nodad: true })
    expect(row('fd00::1')?.['tentative']).toBeUndefined()
    await done({ do: 'address.flush', netns: A, link: 'p0' })
    expect(ipJson(A, 'addr', 'show', 'p0')[0]?.['addr_info']).toEqual([])
  })

  test('address.flush empties a link with secondaries and answers ENODEV without one', async () => {
    const many = Array.from({ length: 150 }, (_, i): Op => {
      const address = { address: parseIp('10.5.0.1') as number, length: 16 }
      return {
        do: 'address.add',
        netns: A,
        link: 'p0',
        address: { ...address, address: address.address + i },
      }
    })
    expect(new Set(await answers(...many))).toEqual(new Set(['ok']))
    expect(await answers({ do: 'address.flush', netns: A, link: 'p0' })).toEqual(['ok'])
    expect(ipJson(A, '-4', 'addr', 'show', 'p0')[0]?.['addr_info'] ?? []).toEqual([])
    expect(await answers({ do: 'address.flush', netns: A, link: 'x' })).toEqual(['ENODEV -'])
  })

  test('route ops add, replace, refuse and delete', async () => {
    const route = (text: string, more: object): Op =>
      ({ do: 'route.add', netns: A, to: parsePrefix(text), ...more }) as Op
    await done(
      { do: 'address.add', netns: A, link: 'p0', address: parsePrefix('10.0.0.1/24') },
      { do: 'address.add', netns: A, link: 'p0', address: parsePrefix('fd00::1/64'), nodad: true },
      route('0.0.0.0/0', { via: parseIp('10.0.0.254'), metric: 5 }),
      route('10.7.0.0/16', { link: 'p0', source: parseIp('10.0.0.1'), mtu: 1300 }),
      route('10.8.0.0/16', { type: 'unreachable' }),
      route('10.9.0.0/16', { via: parseIp('10.99.0.1'), link: 'p0', onlink: true, table: 1000 }),
      route('fd01::/64', { via: parseIp('fd00::2') }),
      route('10.10.0.0/16', { via: parseIp('fd00::2'), link: 'p0' }),
    )
    const all = ipJson(A, 'route', 'show', 'table', 'all')
    const row = (to: string) => all.find((one) => one['dst'] === to)
    expect(row('default')).toMatchObject({ gateway: '10.0.0.254', metric: 5, protocol: 'boot' })
    expect(row('10.7.0.0/16')).toMatchObject({ scope: 'link', prefsrc: '10.0.0.1' })
    expect(JSON.stringify(row('10.7.0.0/16'))).toContain('1300')
    expect(row('10.8.0.0/16')).toMatchObject({ type: 'unreachable' })
    expect(row('10.9.0.0/16')).toMatchObject({ table: '1000', flags: ['onlink'] })
    expect(row('10.10.0.0/16')).toMatchObject({ via: { family: 'inet6', host: 'fd00::2' } })
    expect(JSON.stringify(ipJson(A, '-6', 'route'))).toContain('fd01::/64')
    expect(
      await answers(
        route('0.0.0.0/0', { via: parseIp('10.0.0.254'), metric: 5 }),
        route('10.11.0.0/16', { via: parseIp('172.16.0.1') }),
        route('10.12.0.1/16', { link: 'p0' }),
        { ...route('10.7.0.0/16', { link: 'p0', mtu: 1200 }), do: 'route.replace' } as Op,
        { ...route('10.8.0.0/16', {}), do: 'route.del' } as Op,
        { ...route('10.8.0.0/16', {}), do: 'route.del' } as Op,
        { ...route('fd01::/64', {}), do: 'route.del' } as Op,
        { ...route('10.9.0.0/16', { table: 1000 }), do: 'route.del' } as Op,
        { do: 'route.flush-cache', netns: A },
      ),
    ).toEqual([
      'EEXIST -',
      expect.stringMatching(/^ENETUNREACH Nexthop has invalid gateway/) as string,
      expect.stringMatching(/^EINVAL Invalid prefix/) as string,
      'ok',
      'ok',
      'ESRCH -',
      'ok',
      'ok',
      'ok',
    ])
    expect(JSON.stringify(ipJson(A, 'route', 'show', '10.7.0.0/16'))).toContain('1200')
  })

  test('neighbour ops add, replace, delete, proxy and flush', async () => {
    const one = (op: Op['do'], text: string, more: object = {}): Op =>
      ({ do: op, netns: A, link: 'p0', ip: parseIp(text), ...more }) as Op
    const mac = parseMac('02:00:00:00:00:51')
    expect(
      await answers(
        one('neighbour.add', '10.0.0.5', { mac }),
        one('neighbour.add', '10.0.0.5', { mac }),
        one('neighbour.replace', '10.0.0.5', { mac: mac + 1, state: 'permanent' }),
        one('neighbour.add', '10.0.0.6', { mac, state: 'stale' }),
        one('neighbour.add', 'fd00::6', { mac, state: 'reachable' }),
        one('neighbour.add', '10.0.0.7', { proxy: true }),
        one('neighbour.del', '10.0.0.99'),
      ),
    ).toEqual(['ok', 'EEXIST -', 'ok', 'ok', 'ok', 'ok', 'ENOENT -'])
    const rows = () => ipJson(A, 'neigh').map((row) => [row['dst'], row['lladdr'], row['state']])
    expect(rows()).toContainEqual(['10.0.0.5', '02:00:00:00:00:52', ['PERMANENT']])
    expect(rows()).toContainEqual(['10.0.0.6', '02:00:00:00:00:51', ['STALE']])
    expect(JSON.stringify(ipJson(A, 'neigh', 'show', 'proxy'))).toContain('10.0.0.7')
    await done({ do: 'neighbour.flush', netns: A, link: 'p0', family: 6 })
    expect(JSON.stringify(rows())).not.toContain('fd00::6')
    expect(JSON.stringify(rows())).toContain('10.0.0.6')
    await done({ do: 'neighbour.flush', netns: A })
    expect(rows().map((row) => row[0])).toEqual(['10.0.0.5'])
    await done(one('neighbour.del', '10.0.0.5'), one('neighbour.del', '10.0.0.7', { proxy: true }))
    expect(rows()).toEqual([])
  })

  test('rule ops add, refuse and delete', async () => {
    const rule = (more: object): Op => ({ do: 'rule.add', netns: A, family: 4, ...more }) as Op
    const from = parsePrefix('10.3.0.0/16')
    expect(
      await answers(
        rule({ priority: 100, from, table: 1000 }),
        rule({ priority: 100, from, table: 1000 }),
        rule({ priority: 101, iif: 'p0', action: 'prohibit' }),
        rule({ priority: 102, family: 6, to: parsePrefix('fd00::/8'), oif: 'p1', table: 50 }),
        { ...rule({ priority: 999 }), do: 'rule.del' } as Op,
      ),
    ).toEqual(['ok', 'EEXIST -', 'ok', 'ok', 'ENOENT -'])
    const rows = ipJson(A, 'rule')
    expect(rows).toContainEqual(
      expect.objectContaining({ priority: 100, src: '10.3.0.0', srclen: 16, table: '1000' }),
    )
    expect(rows).toContainEqual(expect.objectContaining({ priority: 101, action: 'prohibit' }))
    expect(JSON.stringify(ipJson(A, '-6', 'rule'))).toContain('fd00::')
    await done({ ...rule({ priority: 100, from, table: 1000 }), do: 'rule.del' } as Op)
    expect(JSON.stringify(ipJson(A, 'rule'))).not.toContain('10.3.0.0')
  })

  test('fdb ops add, refuse, delete and flush', async () => {
    const fdb = (op: Op['do'], mac: string, more: object = {}): Op =>
      ({ do: op, netns: A, link: 'p1', mac: parseMac(mac), on: 'master', ...more }) as Op
    await done(
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' }, up: true },
      { do: 'link.set', netns: A, name: 'p1', master: 'br0' },
      { do: 'link.add', netns: A, name: 'm0', spec: { kind: 'macvlan', parent: 'p0' } },
    )
    expect(
      await answers(
        fdb('fdb.add', '02:00:00:00:00:61', { state: 'static' }),
        fdb('fdb.add', '02:00:00:00:00:61', { state: 'static' }),
        fdb('fdb.replace', '02:00:00:00:00:61', { state: 'permanent' }),
        fdb('fdb.add', '02:00:00:00:00:62', { state: 'dynamic' }),
        fdb('fdb.add', '02:00:00:00:00:63', { state: 'static', sticky: true }),
        fdb('fdb.del', '02:00:00:00:00:99'),
        fdb('fdb.add', '02:00:00:00:00:64', { link: 'm0', on: 'self' }),
      ),
    ).toEqual(['ok', 'EEXIST -', 'ok', 'ok', 'ok', 'ENOENT -', 'EOPNOTSUPP -'])
    const rows = () =>
      bridgeJson(A, 'fdb', 'show', 'br', 'br0').filter((row) => row['ifname'] === 'p1')
    expect(rows()).toContainEqual(
      expect.objectContaining({ mac: '02:00:00:00:00:61', state: 'permanent' }),
    )
    expect(rows()).toContainEqual(
      expect.objectContaining({ mac: '02:00:00:00:00:63', state: 'static', flags: ['sticky'] }),
    )
    await done(fdb('fdb.del', '02:00:00:00:00:61'), { do: 'fdb.flush', netns: A, bridge: 'br0' })
    const left = rows().map((row) => row['mac'])
    expect(left).toContain('02:00:00:00:00:63')
    expect(left).toEqual(expect.not.arrayContaining(['02:00:00:00:00:61', '02:00:00:00:00:62']))
  })

  test('bridge-vlan ops do what the bridge command does', async () => {
    await done(
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
      { do: 'link.set', netns: A, name: 'p1', master: 'br0' },
    )
    const vlan = (link: string, from: number, more: object = {}): Op =>
      ({ do: 'bridge-vlan.add', netns: A, link, from, ...more }) as Op
    const ours = await answers(
      vlan('p1', 100, { pvid: true, untagged: true }),
      vlan('p1', 200, { to: 203 }),
      vlan('br0', 300, { self: true }),
      { ...vlan('p1', 201), do: 'bridge-vlan.del' } as Op,
      vlan('p1', 4095),
    )
    if (vlanFilteringBuilt()) {
      const rows = JSON.stringify(bridgeJson(A, 'vlan'))
      expect(ours.slice(0, 4)).toEqual(['ok', 'ok', 'ok', 'ok'])
      expect(ours[4]).toMatch(/^EINVAL/)
      expect(rows).toContain('"vlan":100')
      expect(rows).toContain('"vlan":300')
      expect(rows).not.toContain('"vlan":201')
    } else {
      // Built without CONFIG_BRIDGE_VLAN_FILTERING, as bridge(8) finds too.
      expect(ours.slice(0, 3)).toEqual(Array.from({ length: 3 }, () => `${bridgeVlanErrno()} -`))
    }
  })

  test('sysctl.set writes inside the namespace only and says the errno', async () => {
    await done({ do: 'link.set', netns: A, name: 'p0', newName: 'p.0' })
    expect(
      await answers(
        { do: 'sysctl.set', netns: A, key: 'net.ipv4.conf.p/0.rp_filter', value: '2' },
        { do: 'sysctl.set', netns: A, key: 'net.ipv4.ip_default_ttl', value: '77' },
        { do: 'sysctl.set', netns: A, key: 'net.ipv4.nothing', value: '1' },
        { do: 'sysctl.set', netns: A, key: 'net.ipv4.ip_default_ttl', value: '999' },
      ),
    ).toEqual(['ok', 'ok', 'ENOENT -', 'EINVAL -'])
    const cat = (netns: string, path: string) =>
      execFileSync('ip', ['netns', 'exec', netns, 'cat', path], { encoding: 'utf8' }).trim()
    expect(cat(A, '/proc/sys/net/ipv4/conf/p.0/rp_filter')).toBe('2')
    expect(cat(A, '/proc/sys/net/ipv4/ip_default_ttl')).toBe('77')
    expect(cat(B, '/proc/sys/net/ipv4/ip_default_ttl')).not.toBe('77')
  })

  test('multicast ops join and leave groups by MAC', async () => {
    const group = (op: 'multicast.add' | 'multicast.del', link = 'p0'): Op => ({
      do: op,
      netns: A,
      link,
      mac: parseMac('01:00:5e:7f:00:01'),
    })
    await done(group('multicast.add'))
    const shown = () =>
      execFileSync('ip', ['-n', A, 'maddr', 'show', 'dev', 'p0'], { encoding: 'utf8' })
    expect(shown()).toContain('01:00:5e:7f:00:01')
    await done(group('multicast.del'))
    expect(shown()).not.toContain('01:00:5e:7f:00:01')
    expect(await answers(group('multicast.add', 'none'), group('multicast.del'))).toEqual([
      'ENODEV -',
      'ENOENT -',
    ])
  })

  test('the first refusal stops a plan and names the op; what was done stays', async () => {
    const plan: Op[] = [
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
      { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
      { do: 'link.add', netns: A, name: 'br1', spec: { kind: 'bridge' } },
    ]
    await expect(applyPlan(plan)).rejects.toMatchObject({
      code: 'op-refused',
      detail: { op: 'link.add', errno: 'EEXIST', index: 1 },
    })
    expect(names(A)).toContain('br0')
    expect(names(A)).not.toContain('br1')
  })

  test('keepGoing does 500 routes in few datagrams, each with its own answer', async () => {
    const to = (i: number) => ({ address: parseIp('10.200.0.0') as number, length: 32 + 0 * i })
    const plan = Array.from({ length: 500 }, (_, i): Op => {
      const address = to(i).address + (i % 100 === 7 ? 0 : i)
      return { do: 'route.add', netns: A, to: { address, length: 32 }, link: 'p0' }
    })
    const outcomes = await answers(...plan)
    expect(outcomes.filter((line) => line === 'ok').length).toBe(495)
    expect(outcomes[107]).toBe('EEXIST -')
    expect(
      ipJson(A, 'route').filter((row) => String(row['dst']).startsWith('10.200.')).length,
    ).toBe(495)
  })

  function vlanFilteringBuilt(): boolean {
    try {
      ip(A, 'link add brt type bridge vlan_filtering 1', 'link del brt')
      return true
    } catch {
      return false
    }
  }

  /** What bridge(8) meets on this kernel. */
  function bridgeVlanErrno(): string {
    try {
      execFileSync('bridge', ['-n', A, 'vlan', 'add', 'vid', '100', 'dev', 'p1'], { stdio: 'pipe' })
      return 'ok'
    } catch (error) {
      const text = String((error as { stderr?: unknown }).stderr)
      return text.includes('not supported') ? 'EOPNOTSUPP' : text
    }
  }
})

type Row = Readonly<Record<string, unknown>>
