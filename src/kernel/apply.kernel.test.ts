import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answers, done } from '../../test/apply.ts'
import { describeKernel } from '../../test/describe-kernel.ts'
import { bridgeJson, ip, ipJson, type Row } from '../../test/ip-json.ts'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import { applyPlan } from './apply.ts'
import { createNetns, deleteNetns, hasNetns, listNetns } from './netns.ts'

const A = 'nlk-a'
const B = 'nlk-b'

const names = (netns: string) => ipJson(netns, 'link').map((row) => row['ifname'])

function sweep(): void {
  for (const name of listNetns())
    if (name.startsWith('nlk-') && !name.includes('.')) deleteNetns(name)
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

  test('address ops add, refuse, delete and flush', async () => {
    const add = (text: string, more: object = {}): Op => ({
      do: 'address.add',
      netns: A,
      link: 'p0',
      address: parsePrefix(text),
      ...more,
    })
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
    const route = (text: string, more: object): Op => ({
      do: 'route.add',
      netns: A,
      to: parsePrefix(text),
      ...more,
    })
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
    const rule = (more: object): Op => ({ do: 'rule.add', netns: A, family: 4, ...more })
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
    const vlan = (link: string, from: number, more: object = {}): Op => ({
      do: 'bridge-vlan.add',
      netns: A,
      link,
      from,
      ...more,
    })
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
    const first = parseIp('10.200.0.0') as number
    const plan = Array.from({ length: 500 }, (_, i): Op => {
      const address = first + (i % 100 === 7 ? 0 : i)
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
