/** The failures people ask about most: code, the step that decided, what mends them. */
import { expect, test } from 'vitest'
import { decisive, explainIn, onOneParent, onTrunk } from './labs.ts'

const titles = (list: readonly { readonly title: string }[]) => list.map((r) => r.title)

test('explain: a host cannot reach its own macvlan child; the shim and hairpin mend it', async () => {
  const found = await explainIn(onOneParent('bridge'), 'centos18', 'ns1')
  expect(found).toMatchObject({
    verdict: 'fail',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_HOST_TO_CHILD',
    headline: 'centos18 cannot reach ns1 10.211.55.101, its own macvlan child',
  })
  expect(decisive(found)).toEqual(['sw:p0'])
  const fixes = titles(found.remedies)
  expect(fixes).toContain('hairpin on at sw:p0')
  expect(fixes).toContain('host access: a link shim0 of centos18 on enp0s5')
  const hairpin = found.remedies.find((r) => r.title.startsWith('hairpin'))
  // ns2 and its host, both ways, and ns1 to its host is the question's own way back.
  expect(hairpin?.effects).toMatchObject({ opened: 2, closed: 0 })
  const tried = titles(found.rejected)
  expect(tried.some((t) => t.startsWith('promiscuous mode'))).toBe(true)
  expect(tried).toContain('ns1 in mode vepa')
  expect(tried).toContain('ip_forward on at centos18')
  expect(found.origins.map((o) => o.text).join()).toContain('hairpin: false')
})

test('explain: private siblings; bridge mode for both, or the way through the gateway', async () => {
  const found = await explainIn(onOneParent('private'), 'ns2', 'ns1')
  expect(found).toMatchObject({
    verdict: 'fail',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_PRIVATE',
  })
  expect(decisive(found)).toEqual(['sw:p0'])
  expect(titles(found.remedies)).toEqual(
    expect.arrayContaining([
      'both ns2 and ns1 in mode bridge',
      'routes to each other via 10.211.55.1 (gw)',
    ]),
  )
  expect(titles(found.rejected)).toContain('ns1 in mode bridge')
  expect(titles(found.rejected)).toContain('hairpin on at sw:p0')
})

test('explain: vepa siblings; hairpin, or bridge mode for both', async () => {
  const found = await explainIn(onOneParent('vepa'), 'ns2', 'ns1')
  expect(found).toMatchObject({
    verdict: 'fail',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'VEPA_NO_HAIRPIN',
  })
  expect(decisive(found)).toEqual(['sw:p0'])
  expect(titles(found.remedies).slice(0, 2).toSorted()).toEqual([
    'both ns2 and ns1 in mode bridge',
    'hairpin on at sw:p0',
  ])
  expect(titles(found.rejected)).toContain('ns2 in mode bridge')
})

test('explain: a VLAN that a port does not carry; the VLAN, or the port untagged and no VLAN link', async () => {
  const found = await explainIn(onTrunk({ p3: 'access 1' }), 'box1', 'box3')
  expect(found).toMatchObject({
    verdict: 'fail',
    code: 'BRIDGE_VLAN_EGRESS',
    cause: 'VLAN_NOT_ON_PORT',
  })
  expect(decisive(found)).toEqual(['sw:p3'])
  const fixes = titles(found.remedies)
  expect(fixes[0]).toBe('VLAN 100 tagged at sw:p3')
  expect(fixes).toContain(
    'VLAN 100 untagged (access) at sw:p3, box3 on parent enp0s3 instead of enp0s3.100',
  )
})

test('explain: a router that does not forward', async () => {
  const found = await explainIn(onTrunk(), 'box1', 'box4')
  expect(found).toMatchObject({ verdict: 'fail', code: 'IP_FORWARD_OFF' })
  expect(decisive(found)).toEqual(['node1:enp0s3.100'])
  expect(titles(found.remedies)[0]).toBe('ip_forward on at node1')
  expect(found.remedies[0]?.edit).toBe('hosts.node1.forward: true')
})

test.each([
  [
    'box4',
    'GATEWAY_UNREACHABLE',
    'box1 cannot reach box4 172.16.20.11: the gateway does not answer',
  ],
  [
    '172.16.10.77',
    'NOBODY_HAS_ADDRESS',
    'box1 cannot reach 172.16.10.77: nobody there holds the address',
  ],
])(
  'explain: on a VLAN, %s asked for while nobody has the address: %s',
  async (to, cause, headline) => {
    const bare = onTrunk().replace(/ {4}vlans: .*\n {4}addr: .*\n/, '')
    expect(await explainIn(bare, 'box1', to)).toMatchObject({ verdict: 'fail', cause, headline })
  },
)

test('explain: the request arrives and the reply has no route', async () => {
  const found = await explainIn(onTrunk({ forward: true, gateway: false }), 'box1', 'box4')
  expect(found).toMatchObject({ verdict: 'fail', code: 'NO_ROUTE_BACK' })
  expect(decisive(found)).toEqual(['box4:eth0'])
  // The request's way is told before the reply's.
  const messages = found.way.map((leg) => `${leg.message} ${leg.arrived}`)
  expect(messages).toContain('echo request true')
  expect(messages.at(-1)).toBe('echo reply false')
  expect(titles(found.remedies)[0]).toBe('default route of box4 via 172.16.20.1 (node1)')
})

test.each([
  ['ns1', 'sw:p0'],
  ['gw', 'centos18:enp0s5'],
])('explain: an end that is down, asked by %s, is said first and mended', async (from, stopped) => {
  const lab = onOneParent('bridge').replace(
    /(ns2: \{host: centos18, net: [^,]+)/,
    '$1, run: ["ip link set dev eth0 down"]',
  )
  const found = await explainIn(lab, from, 'ns2')
  expect(found).toMatchObject({
    verdict: 'fail',
    cause: 'END_DOWN',
    headline: `${from} cannot reach ns2 10.211.55.102, whose link is down`,
  })
  expect(decisive(found)).toEqual([stopped])
  expect(titles(found.remedies)[0]).toMatch(/^ns2:\S+ up$/)
})

test('explain: order, where the answer depends on who spoke before', async () => {
  const lab = onOneParent('private', { hairpin: true })
  const found = await explainIn(lab, 'ns1', 'centos18')
  expect(found.verdict).toBe('order')
  expect(found.orders).toEqual({ cold: false, spoken: true })
  expect(decisive(found)).toHaveLength(1)
  expect((await explainIn(lab, 'centos18', 'ns1')).verdict).toBe('ok')
})

test('explain leaves the world it is asked about as it is', async () => {
  const { openLab } = await import('./labs.ts')
  const { explainLab } = await import('../../src/lab/explain.ts')
  const { topology, source, world } = await openLab(onOneParent('vepa'))
  const before = JSON.stringify(await world.snapshot(), (_, v: unknown) =>
    typeof v === 'bigint' ? `${v}` : v,
  )
  const now = world.world.now
  explainLab(world, topology, source, {
    from: 'ns1',
    to: 'ns2',
    family: undefined,
    protocol: 'icmp',
    port: undefined,
    size: undefined,
  })
  const after = JSON.stringify(await world.snapshot(), (_, v: unknown) =>
    typeof v === 'bigint' ? `${v}` : v,
  )
  expect(after).toBe(before)
  expect(world.world.now).toBe(now)
})
