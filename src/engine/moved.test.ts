import { expect, test } from 'vitest'
import { ownedBy, ownedByNobody, type Pair } from './moved.ts'

const pair = (key: string, value: unknown): Pair => [key, JSON.stringify(value)]
const ALONE: readonly Pair[] = [
  ['engine/id', 'abc'],
  pair('network/lan', { name: 'lan', parent: 'eth0', parentLink: 'eth0', parentOwned: false }),
  pair('endpoint/lan/web', { network: 'lan', name: 'web' }),
  pair('ipam/end/eth0/lan/web', { addresses: ['10.9.0.2'], at: 'then' }),
  pair('ipam/ip/eth0/40a090002', { network: 'lan', endpoint: 'web' }),
]

test('ownedBy() says of every lease, endpoint and parent whose it is', () => {
  const shared = new Map(ownedBy('h1', ALONE))
  expect(shared.get('engine/id')).toBe('abc')
  expect(JSON.parse(shared.get('ipam/end/eth0/lan/web') ?? '')).toMatchObject({ host: 'h1' })
  expect(JSON.parse(shared.get('endpoint/lan/web') ?? '')).toMatchObject({ hostId: 'h1' })
  expect(shared.get('here/h1/lan/web')).toBe(shared.get('endpoint/lan/web'))
  const parent = { parent: 'eth0', parentLink: 'eth0', parentOwned: false }
  expect(JSON.parse(shared.get('parent/h1/lan') ?? '')).toEqual(parent)
})

test('ownedByNobody() is the way back, with the parent of the host that is left', () => {
  const shared = [...ownedBy('h1', ALONE), pair('host/h1', {}), ['host-epoch/h1', 'b'] as const]
  expect(new Map(ownedByNobody(shared))).toEqual(new Map(ALONE))
  const moved = shared.map((one) =>
    one[0] === 'parent/h1/lan' ? pair(one[0], { parent: 'eno1', parentLink: 'eno1' }) : one,
  )
  const back = new Map(ownedByNobody(moved)).get('network/lan') ?? ''
  expect(JSON.parse(back)).toMatchObject({ parent: 'eno1', parentLink: 'eno1' })
})

test('ownedByNobody() refuses what two hosts share', () => {
  const shared = [...ownedBy('h1', ALONE), pair('host/h1', {}), pair('host/h2', {})]
  expect(() => ownedByNobody(shared)).toThrow('2 hosts have records')
})

test('spares stay behind: a host alone has none', () => {
  const spare = { network: 'lan', endpoint: '~h1.40a090005', mac: '02:00:00:00:00:05', host: 'h1' }
  const lease = { addresses: ['10.9.0.5'], mac: spare.mac, host: 'h1' }
  const pairs = [
    ['host/h1', '{}'],
    ['ipam/end/eth0/lan/~h1.40a090005', JSON.stringify(lease)],
    ['ipam/ip/eth0/40a090005', JSON.stringify(spare)],
    ['ipam/mac/eth0/020000000005', JSON.stringify(spare)],
    ['ipam/ip/eth0/40a090006', JSON.stringify({ network: 'lan', endpoint: 'web', host: 'h1' })],
  ] as const
  expect(ownedByNobody(pairs).map(([key]) => key)).toEqual(['ipam/ip/eth0/40a090006'])
})
