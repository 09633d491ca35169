import { expect, test } from 'vitest'
import { linkSnapshot, netnsSnapshot } from '../../test/support/snapshots.ts'
import { macsOf, normalise } from './normalise.ts'

test('normalise drops indexes and names links of other namespaces', () => {
  const parent = { index: 4, netns: 'host', name: 'eth0' }
  const macvlan = {
    mode: 'source',
    nopromisc: false,
    nodst: false,
    sources: [0x020000000002, 0x020000000001],
    broadcastQueueLength: 1000,
  } as const
  const links = [linkSnapshot('m0', { kind: 'macvlan', parent, macvlan })]
  const [row] = normalise({ netns: [netnsSnapshot('box', { links })] })
  expect(row).toMatchObject({ netns: 'box', table: 'link', key: 'm0' })
  expect(row?.fields).toMatchObject({
    kind: 'macvlan',
    address: 'mac of box/m0',
    parent: 'host/eth0',
    'macvlan.mode': 'source',
    'macvlan.sources': '02:00:00:00:00:01 02:00:00:00:00:02',
    up: 'false',
  })
  expect(row?.fields).not.toHaveProperty('index')
  expect(row?.fields).not.toHaveProperty('alias')
})

test('normalise keeps MACs of hardware as they are', () => {
  const links = [linkSnapshot('eth0', { kind: 'device', address: 0x001122334455 })]
  const [row] = normalise({ netns: [netnsSnapshot('', { links })] })
  expect(row?.fields['address']).toBe('00:11:22:33:44:55')
})

test('normalise gives rows in one order, however the snapshot was ordered', () => {
  const links = [linkSnapshot('b'), linkSnapshot('a', { address: 0x020000000009 })]
  const netns = [netnsSnapshot('y', { links }), netnsSnapshot('x', { links: links.slice(0, 1) })]
  const keys = (netns: Parameters<typeof normalise>[0]['netns']) =>
    normalise({ netns }, { macs: new Set([0x020000000001, 0x020000000009]) })
  expect(keys(netns)).toEqual(keys(netns.toReversed()))
  expect(keys(netns).map((row) => `${row.netns}/${row.key}`)).toEqual(['x/b', 'y/a', 'y/b'])
})

test('macsOf finds every MAC a plan chooses', () => {
  const macs = macsOf([
    {
      do: 'link.add',
      netns: '',
      name: 'v',
      address: 1,
      spec: { kind: 'veth', peer: { name: 'w', address: 2 } },
    },
    { do: 'link.set', netns: '', name: 'v', address: 3 },
    { do: 'link.set', netns: '', name: 'v', up: true },
  ])
  expect([...macs]).toEqual([1, 2, 3])
})

test('normalise does not tell LOWERLAYERDOWN from DOWN where the link below is elsewhere', () => {
  const state = (netns: string): string | undefined => {
    const parent = { index: 2, netns, name: 'eth0' }
    const link = linkSnapshot('p1', { kind: 'veth', parent, operState: 'lowerlayerdown' })
    return normalise({ netns: [netnsSnapshot('sw', { links: [link] })] })[0]?.fields['operState']
  }
  expect(state('host')).toBe('down')
  expect(state('sw')).toBe('lowerlayerdown')
})
