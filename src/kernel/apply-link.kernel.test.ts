import { afterEach, beforeEach, expect, test } from 'vitest'
import { answers, done } from '../../test/apply.ts'
import { describeKernel } from '../../test/describe-kernel.ts'
import { ip, ipJson } from '../../test/ip-json.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { LinkSpec, Op } from '../fabric/plan.ts'
import { createNetns, deleteNetns, listNetns } from './netns.ts'

const A = 'nlk-l.a'
const B = 'nlk-l.b'
const VETH: LinkSpec = { kind: 'veth', peer: { name: 'v1' } }

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
  for (const name of listNetns()) if (name.startsWith('nlk-l.')) deleteNetns(name)
}

describeKernel('applyPlan() makes and changes links', () => {
  beforeEach(() => {
    sweep()
    createNetns(A)
    createNetns(B)
    ip(A, 'link add p0 type veth peer name p1', 'link set p1 up', 'link set p0 up')
  })
  afterEach(sweep)

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
    const make = (name: string, spec: LinkSpec, more: object = {}): Op => ({
      do: 'link.add',
      netns: A,
      name,
      spec,
      ...more,
    })
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
})
