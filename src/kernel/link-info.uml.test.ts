/**
 * Links and VLAN membership that many machines' kernels are built without, against what iproute2
 * says of them: made, changed, refused, and read back. Runs inside User Mode Linux.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answers, done } from '../../test/apply.ts'
import { bridgeJson, ip, ipJson } from '../../test/ip-json.ts'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { BridgeVlanChange, LinkSpec, Op } from '../fabric/plan.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { createNetns, deleteNetns, listNetns } from './netns.ts'
import { takeSnapshot } from './snapshot.ts'

const A = 'nlk-k.a'
const B = 'nlk-k.b'

interface Told {
  readonly address: string
  readonly mtu: number
  readonly flags: readonly string[]
  readonly link?: string
  readonly linkinfo: {
    readonly info_kind: string
    readonly info_data?: Readonly<Record<string, unknown>>
  }
}

const told = (netns: string, name: string) =>
  ipJson(netns, 'link', 'show', name)[0] as unknown as Told

const dataOf = (netns: string, name: string) => told(netns, name).linkinfo.info_data

async function snapshotOf(netns: string, name: string): Promise<LinkSnapshot | undefined> {
  const { netns: all } = await takeSnapshot([A, B])
  return all.find((n) => n.name === netns)?.links.find((link) => link.name === name)
}

const make = (name: string, spec: LinkSpec, more: object = {}): Op => ({
  do: 'link.add',
  netns: A,
  name,
  spec,
  ...more,
})

const set = (name: string, change: object): Op => ({ do: 'link.set', netns: A, name, ...change })

function sweep(): void {
  for (const name of listNetns()) if (name.startsWith('nlk-k.')) deleteNetns(name)
}

describe('kinds of links', () => {
  beforeEach(() => {
    sweep()
    createNetns(A)
    createNetns(B)
    ip(A, 'link add p0 type veth peer name p1', 'link set p1 up', 'link set p0 up')
  })
  afterEach(sweep)

  test('link.add makes a VLAN with everything said about it', async () => {
    const spec: LinkSpec = {
      kind: 'vlan',
      parent: 'p0',
      id: 50,
      protocol: '802.1ad',
      reorderHeader: false,
      looseBinding: true,
      gvrp: true,
      mvrp: true,
      ingressQos: [
        [2, 5],
        [3, 1],
      ],
      egressQos: [[0, 3]],
    }
    const address = parseMac('02:00:00:00:00:50')
    await done(make('v50', spec, { netns: B, parentNetns: A, address, mtu: 1400, up: true }))
    expect(told(B, 'v50')).toMatchObject({ address: '02:00:00:00:00:50', mtu: 1400 })
    expect(told(B, 'v50').flags).toContain('UP')
    const data = dataOf(B, 'v50')
    expect(data).toMatchObject({ protocol: '802.1ad', id: 50 })
    expect(data?.['flags']).toEqual(['GVRP', 'MVRP', 'LOOSE_BINDING'])
    expect(data?.['ingress_qos']).toEqual([
      { from: 2, to: 5 },
      { from: 3, to: 1 },
    ])
    expect(data?.['egress_qos']).toEqual([{ from: 0, to: 3 }])
    const { kind: _kind, parent: _parent, ...vlan } = spec
    expect(await snapshotOf(B, 'v50')).toMatchObject({
      kind: 'vlan',
      parent: { netns: A, name: 'p0' },
      vlan,
    })
  })

  test('link.add makes a plain VLAN as the kernel would', async () => {
    await done(make('p0.7', { kind: 'vlan', parent: 'p0', id: 7 }))
    ip(A, 'link add link p0 name theirs type vlan id 8')
    expect({ ...dataOf(A, 'p0.7'), id: 8 }).toEqual(dataOf(A, 'theirs'))
    const { vlan } = (await snapshotOf(A, 'p0.7')) ?? {}
    expect(vlan).toEqual({
      id: 7,
      protocol: '802.1Q',
      reorderHeader: true,
      looseBinding: false,
      gvrp: false,
      mvrp: false,
      ingressQos: [],
      egressQos: [],
    })
  })

  test('link.add of a VLAN is refused in the words of 8021q', async () => {
    const vlan = (id: number | undefined, parent = 'p0'): LinkSpec => ({ kind: 'vlan', parent, id })
    expect(
      await answers(
        make('v0', vlan(0)),
        make('twin', vlan(0)),
        make('v4095', vlan(4095)),
        make('none', vlan(undefined)),
        make('half', { kind: 'vlan', parent: 'p0', id: undefined, looseBinding: true }),
        make('onlo', vlan(5, 'lo')),
        make('big', vlan(6), { mtu: 1501 }),
        set('p0', { up: false }),
        set('v0', { up: true }),
        make('loose', { kind: 'vlan', parent: 'p0', id: 9, looseBinding: true }, { up: true }),
        set('v0', { mtu: 1501 }),
      ),
    ).toEqual([
      'ok',
      'EEXIST 8021q: VLAN device already exists',
      'ERANGE 8021q: Invalid VLAN id',
      'EINVAL 8021q: VLAN properties not specified',
      'EINVAL 8021q: VLAN id not specified',
      'EOPNOTSUPP 8021q: VLANs not supported on device',
      'EINVAL -',
      'ok',
      'ENETDOWN -',
      'ok',
      'ERANGE -',
    ])
  })

  test('link.add makes ipvlan of every mode and flag; the last one speaks for all', async () => {
    for (const mode of ['l2', 'l3', 'l3s'] as const)
      for (const flag of ['bridge', 'private', 'vepa'] as const) {
        const name = `${mode}-${flag}`
        const spec: LinkSpec = { kind: 'ipvlan', parent: 'p0', mode, flag }
        await done(make(name, spec, { netns: B, parentNetns: A }))
        expect(dataOf(B, name)).toMatchObject({ mode })
        expect(await snapshotOf(B, name)).toMatchObject({ kind: 'ipvlan', ipvlan: { mode, flag } })
        expect(await snapshotOf(B, 'l2-bridge')).toMatchObject({ ipvlan: { mode, flag } })
      }
    await done(make('plain', { kind: 'ipvlan', parent: 'p0' }))
    expect(await snapshotOf(A, 'plain')).toMatchObject({ ipvlan: { mode: 'l3', flag: 'vepa' } })
    const parent = told(A, 'p0').address
    expect(told(B, 'l2-vepa').address).toBe(parent)
  })

  test('link.set changes the mode and the flag of ipvlan, each by itself', async () => {
    await done(
      make('i0', { kind: 'ipvlan', parent: 'p0', mode: 'l2' }),
      make('i1', { kind: 'ipvlan', parent: 'p0', mode: 'l2' }),
      set('i0', { ipvlan: { mode: 'l3s' } }),
    )
    expect(await snapshotOf(A, 'i1')).toMatchObject({ ipvlan: { mode: 'l3s', flag: 'bridge' } })
    await done(set('i1', { ipvlan: { flag: 'private' } }))
    expect(await snapshotOf(A, 'i0')).toMatchObject({ ipvlan: { mode: 'l3s', flag: 'private' } })
    await done(set('i1', { ipvlan: { flag: 'bridge', mode: 'l2' } }))
    expect(dataOf(A, 'i0')).toMatchObject({ mode: 'l2' })
  })

  test('ipvlan is refused what it cannot do', async () => {
    const add = (link: string): Op => ({
      do: 'address.add',
      netns: A,
      link,
      address: parsePrefix('10.0.0.5/24'),
    })
    expect(
      await answers(
        make('i0', { kind: 'ipvlan', parent: 'p0', mode: 'l2' }, { up: true }),
        make('i1', { kind: 'ipvlan', parent: 'p0', mode: 'l2' }, { up: true }),
        set('i0', { address: parseMac('02:00:00:00:00:11') }),
        add('i0'),
        add('i1'),
        make('m0', { kind: 'macvlan', parent: 'p0' }),
        make('i2', { kind: 'ipvlan', parent: 'lo' }),
        make('i3', { kind: 'ipvlan', parent: undefined }),
        make('v0', { kind: 'vlan', parent: 'i0', id: 5 }),
      ),
    ).toEqual([
      'ok',
      'ok',
      'EOPNOTSUPP -',
      'ok',
      'EADDRINUSE Address already assigned to an ipvlan device',
      'EBUSY -',
      'EINVAL -',
      'EINVAL -',
      'EOPNOTSUPP 8021q: VLANs not supported on device',
    ])
  })

  test('link.add makes dummies, and children on them', async () => {
    const address = parseMac('02:00:00:00:00:0d')
    await done(
      make('d0', { kind: 'dummy' }, { address, mtu: 9000, up: true }),
      make('m0', { kind: 'macvlan', parent: 'd0', macvlan: { mode: 'bridge' } }, { up: true }),
    )
    expect(told(A, 'd0')).toMatchObject({ address: '02:00:00:00:00:0d', mtu: 9000 })
    expect(told(A, 'd0').linkinfo.info_kind).toBe('dummy')
    expect(await snapshotOf(A, 'd0')).toMatchObject({ kind: 'dummy', mtu: 9000, carrier: true })
    expect(await snapshotOf(A, 'm0')).toMatchObject({ parent: { netns: A, name: 'd0' } })
  })

  test('link.add makes a vxlan with everything said about it', async () => {
    ip(A, 'addr add 10.0.0.1/24 dev p0')
    await done(
      make('x42', {
        kind: 'vxlan',
        id: 42,
        port: 4789,
        parent: 'p0',
        local: parseIp('10.0.0.1'),
        remote: parseIp('10.0.0.2'),
        learning: false,
      }),
      make('x43', { kind: 'vxlan', id: 43, port: 8472 }),
    )
    expect(dataOf(A, 'x42')).toMatchObject({
      id: 42,
      port: 4789,
      link: 'p0',
      local: '10.0.0.1',
      remote: '10.0.0.2',
      learning: false,
    })
    expect(dataOf(A, 'x43')).toMatchObject({ id: 43, port: 8472, learning: true })
    const { vxlan } = (await snapshotOf(A, 'x42')) ?? {}
    expect(vxlan).toEqual({ id: 42, port: 4789, learning: false })
    expect(await answers(make('x44', { kind: 'vxlan', id: 43, port: 8472 }))).toEqual([
      expect.stringMatching(/^EEXIST /),
    ])
  })
})

describe('VLAN membership of bridge ports', () => {
  beforeEach(async () => {
    sweep()
    createNetns(A)
    createNetns(B)
    ip(A, 'link add p0 type veth peer name p1', 'link set p1 up', 'link set p0 up')
    const bridge = { vlanFiltering: true } as const
    await done(make('br0', { kind: 'bridge', bridge }), set('p0', { master: 'br0' }))
  })
  afterEach(sweep)

  const change = (from: number, more: Partial<BridgeVlanChange> = {}): Op => ({
    do: 'bridge-vlan.add',
    netns: A,
    link: 'p0',
    from,
    ...more,
  })

  /** The rows of `bridge vlan`, a range as the kernel keeps it: each id by itself. */
  const rows = (link: string): string[] => {
    const found = bridgeJson(A, 'vlan', 'show').find((row) => row['ifname'] === link)
    const vlans = (found?.['vlans'] ?? []) as {
      vlan: number
      vlanEnd?: number
      flags?: string[]
    }[]
    return vlans.flatMap(({ vlan, vlanEnd, flags }) =>
      Array.from({ length: (vlanEnd ?? vlan) - vlan + 1 }, (_, i) =>
        [vlan + i, ...(flags ?? [])].join(' '),
      ),
    )
  }

  const seen = async (link: string): Promise<string[]> => {
    const [found] = (await takeSnapshot([A])).netns
    return (found?.vlans ?? [])
      .filter((row) => row.link === link)
      .map(({ vlan, pvid, untagged }) =>
        [vlan, ...(pvid ? ['PVID'] : []), ...(untagged ? ['Egress Untagged'] : [])].join(' '),
      )
  }

  test('bridge-vlan.add makes access ports, trunks and native VLANs', async () => {
    expect(rows('p0')).toEqual(['1 PVID Egress Untagged'])
    await done(
      change(10, { pvid: true, untagged: true }),
      change(20, { to: 22 }),
      change(30, { untagged: true }),
    )
    const want = [
      '1 Egress Untagged',
      '10 PVID Egress Untagged',
      '20',
      '21',
      '22',
      '30 Egress Untagged',
    ]
    expect(rows('p0')).toEqual(want)
    expect(await seen('p0')).toEqual(want)
    await done(
      change(1, { do: 'bridge-vlan.del' }),
      change(20, { to: 21, do: 'bridge-vlan.del' }),
      change(10),
    )
    expect(rows('p0')).toEqual(['10', '22', '30 Egress Untagged'])
    expect(await seen('p0')).toEqual(rows('p0'))
  })

  test('bridge-vlan.add with self makes the bridge itself a member', async () => {
    await done(change(10, { link: 'br0', self: true }))
    expect(rows('br0')).toEqual(['1 PVID Egress Untagged', '10'])
    expect(await seen('br0')).toEqual(rows('br0'))
    expect(rows('p0')).toEqual(['1 PVID Egress Untagged'])
  })

  test('bridge-vlan.add is refused in the words of bridge', async () => {
    expect(
      await answers(
        change(0),
        change(4095),
        change(10, { to: 5 }),
        change(10, { to: 12, pvid: true }),
        change(10, { link: 'p1' }),
        change(10, { link: 'br0' }),
        change(10, { link: 'nope' }),
      ),
    ).toEqual([
      'EINVAL bridge: Vlan id is invalid',
      'EINVAL bridge: Vlan id is invalid',
      'EINVAL bridge: End vlan id is less than or equal to start vlan id',
      "EINVAL bridge: Pvid isn't allowed in a range",
      'EOPNOTSUPP -',
      'EOPNOTSUPP -',
      'ENODEV -',
    ])
  })

  test('link.set switches filtering and the default pvid', async () => {
    await done(set('br0', { bridge: { vlanDefaultPvid: 7 } }))
    expect(rows('p0')).toEqual(['7 PVID Egress Untagged'])
    expect(await snapshotOf(A, 'br0')).toMatchObject({
      bridge: { vlanFiltering: true, vlanDefaultPvid: 7 },
    })
    await done(set('br0', { bridge: { vlanFiltering: false, vlanDefaultPvid: 0 } }))
    expect(rows('p0')).toEqual([])
    expect(dataOf(A, 'br0')).toMatchObject({ vlan_filtering: 0, vlan_default_pvid: 0 })
    expect(await answers(set('br0', { bridge: { vlanDefaultPvid: 4095 } }))).toEqual([
      expect.stringMatching(/^EINVAL/),
    ])
  })

  test('fdb.add says the VLAN, and the snapshot tells it', async () => {
    const mac = parseMac('02:00:00:00:00:61')
    const entry = { netns: A, link: 'p0', mac, on: 'master', vlan: 1 } as const
    await done({ do: 'fdb.add', ...entry, state: 'static' })
    const [found] = (await takeSnapshot([A])).netns
    expect(found?.fdb).toContainEqual({ link: 'p0', mac, vlan: 1, on: 'master', state: 'static' })
    const theirs = bridgeJson(A, 'fdb', 'show', 'br', 'br0')
    expect(theirs).toContainEqual(
      expect.objectContaining({ mac: '02:00:00:00:00:61', vlan: 1, ifname: 'p0' }),
    )
    expect(await answers({ do: 'fdb.add', ...entry, vlan: 5 })).toEqual([
      expect.stringMatching(/^EINVAL/),
    ])
  })
})
