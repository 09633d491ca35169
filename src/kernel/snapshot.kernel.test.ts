import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { bridgeJson, ip, ipJson, type Row } from '../../test/ip-json.ts'
import { formatIp } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { NetnsSnapshot } from '../fabric/snapshot.ts'
import { createNetns, deleteNetns, listNetns } from './netns.ts'
import { takeSnapshot } from './snapshot.ts'

const A = 'nlk-s.a'
const B = 'nlk-s.b'

function sweep(): void {
  for (const name of listNetns()) if (name.startsWith('nlk-s.')) deleteNetns(name)
}

/** Two namespaces with something of everything this kernel has. */
function build(): void {
  createNetns(A)
  createNetns(B)
  ip(
    A,
    'link add p0 type veth peer name p1',
    'link add br0 type bridge ageing_time 1200 forward_delay 400',
    'link set p1 master br0 up',
    'link set dev p1 type bridge_slave hairpin on isolated on',
    'link set p0 up',
    'link set br0 up',
    'link set lo up',
    `link add m0 link p0 netns ${B} address 02:00:00:00:00:11 type macvlan mode bridge`,
    'link add m1 link p0 type macvlan mode source macaddr set 02:00:00:00:00:31 02:00:00:00:00:32',
    'link set m1 alias named group 9 mtu 1400 txqueuelen 5 promisc on',
    `link add v0 type veth peer name v1 netns ${B}`,
    'link set v0 arp off allmulticast on',
    'link add x.0 type veth peer name x1',
    'tuntap add mode tap name tap0',
    'tuntap add mode tun name tun0',
    'addr add 10.0.0.1/24 brd 10.0.0.255 dev p0',
    'addr add 10.0.0.2/24 dev p0',
    'addr add fd00::1/64 dev p0 nodad',
    'addr add 10.5.0.1/24 dev br0',
    'route add default via 10.0.0.254 metric 7',
    'route add 10.7.0.0/16 dev p0 src 10.0.0.2',
    'route add unreachable 10.8.0.0/16',
    'route add 10.9.0.0/16 via 10.99.0.1 dev p0 onlink table 1000',
    'route add fd01::/64 via fd00::2',
    'route add 10.10.0.0/16 nexthop via 10.0.0.3 nexthop via 10.0.0.4',
    'route add local 10.11.0.0/16 dev lo',
    'rule add from 10.3.0.0/16 table 1000 pref 100',
    'rule add iif p0 prohibit pref 101',
    '-6 rule add to fd00::/8 table 50 pref 102',
    'neigh add 10.0.0.9 lladdr 02:00:00:00:00:51 dev p0',
    'neigh add proxy 10.0.0.10 dev p0',
  )
  ip(B, 'link set m0 up', 'addr add 10.0.0.3/24 dev m0')
  for (const line of [
    'fdb add 02:00:00:00:00:61 dev p1 master static',
    'fdb add 02:00:00:00:00:62 dev p1 master dynamic',
  ]) {
    execFileSync('bridge', ['-n', A, ...line.split(' ')])
  }
  const write = (key: string, value: string) =>
    execFileSync('ip', ['netns', 'exec', A, 'sysctl', '-qw', `${key}=${value}`])
  write('net.ipv4.conf.x/0.rp_filter', '2')
  write('net.ipv4.conf.p0.arp_ignore', '1')
  write('net.ipv4.conf.p0.arp_announce', '2')
  write('net.ipv4.conf.p0.proxy_arp', '1')
  write('net.ipv4.conf.all.accept_local', '1')
  write('net.ipv4.ip_default_ttl', '77')
  write('net.ipv4.ip_forward', '1')
  write('net.ipv6.conf.p0.accept_dad', '2')
  write('net.ipv6.conf.v0.disable_ipv6', '1')
  write('net.ipv6.conf.p0.proxy_ndp', '1')
}

const list = (value: unknown) => (value ?? []) as readonly Row[]
const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort()

describeKernel('takeSnapshot() on the kernel', () => {
  let a: NetnsSnapshot
  let b: NetnsSnapshot

  beforeAll(async () => {
    sweep()
    build()
    // Duplicate address detection and carriers come to rest.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    const both = await takeSnapshot([A, B])
    a = both.netns[0] as NetnsSnapshot
    b = both.netns[1] as NetnsSnapshot
  })
  afterAll(sweep)

  const linkOf = (netns: NetnsSnapshot, name: string) => netns.links.find((l) => l.name === name)

  test('links are those of ip -d link, field by field', () => {
    for (const [netns, snapshot] of [
      [A, a],
      [B, b],
    ] as const) {
      const theirs = ipJson(netns, 'link').map((row) => {
        const info = (row['linkinfo'] ?? {}) as Row
        const flags = row['flags'] as readonly string[]
        return {
          index: row['ifindex'],
          name: row['ifname'],
          address: row['link_type'] === 'none' ? '00:00:00:00:00:00' : row['address'],
          mtu: row['mtu'],
          up: flags.includes('UP'),
          carrier: flags.includes('LOWER_UP'),
          operState: String(row['operstate']).toLowerCase(),
          promisc: flags.includes('PROMISC'),
          promiscuity: row['promiscuity'],
          allmulticast: flags.includes('ALLMULTI'),
          allmulti: row['allmulti'],
          arp: !flags.includes('NOARP'),
          group: row['group'] === 'default' ? 0 : Number(row['group']),
          alias: row['ifalias'],
          txQueueLength: row['txqlen'],
          minMtu: row['min_mtu'],
          maxMtu: row['max_mtu'],
          master: row['master'],
          kind: row['link_type'] === 'loopback' ? 'loopback' : info['info_kind'],
        }
      })
      const ours = snapshot.links.map((link) => ({
        index: link.index,
        name: link.name,
        address: formatMac(link.address),
        mtu: link.mtu,
        up: link.up,
        carrier: link.carrier,
        operState: link.operState,
        promisc: link.promisc,
        promiscuity: link.promiscuity,
        allmulticast: link.allmulticast,
        allmulti: link.allmulti,
        arp: link.arp,
        group: link.group,
        alias: link.alias,
        txQueueLength: link.txQueueLength,
        minMtu: link.minMtu,
        maxMtu: link.maxMtu,
        master: link.master,
        // ip -j words both kinds of tun alike.
        kind: link.kind === 'tap' ? 'tun' : link.kind,
      }))
      const byIndex = (x: { index: unknown }, y: { index: unknown }) =>
        Number(x.index) - Number(y.index)
      expect(ours).toEqual(theirs.toSorted(byIndex))
    }
  })

  test('parents are found over namespaces, in both directions', () => {
    const p0 = linkOf(a, 'p0')?.index
    expect(linkOf(b, 'm0')?.parent).toEqual({ index: p0, netns: A, name: 'p0' })
    expect(linkOf(a, 'm1')?.parent).toEqual({ index: p0, netns: A, name: 'p0' })
    expect(linkOf(a, 'v0')?.parent).toMatchObject({ netns: B, name: 'v1' })
    expect(linkOf(b, 'v1')?.parent).toMatchObject({ netns: A, name: 'v0' })
    expect(linkOf(a, 'lo')?.parent).toBeUndefined()
  })

  test('a parent in a namespace that was not asked for has an index only', async () => {
    const alone = await takeSnapshot([B])
    expect(linkOf(alone.netns[0] as NetnsSnapshot, 'm0')?.parent).toEqual({
      index: linkOf(a, 'p0')?.index,
      netns: undefined,
      name: undefined,
    })
  })

  test('kinds carry their options', () => {
    expect(linkOf(b, 'm0')?.macvlan).toEqual({
      mode: 'bridge',
      nopromisc: false,
      nodst: false,
      sources: [],
      broadcastQueueLength: 1000,
    })
    expect(linkOf(a, 'm1')?.macvlan?.sources.map(formatMac)).toEqual([
      '02:00:00:00:00:31',
      '02:00:00:00:00:32',
    ])
    expect(linkOf(a, 'br0')?.bridge).toMatchObject({ ageingTime: 12, forwardDelay: 4, stp: false })
    expect(linkOf(a, 'p1')?.port).toMatchObject({
      hairpin: true,
      isolated: true,
      learning: true,
      state: 3,
    })
    expect([linkOf(a, 'tap0')?.kind, linkOf(a, 'tun0')?.kind]).toEqual(['tap', 'tun'])
  })

  test('addresses are those of ip addr', () => {
    const theirs = ipJson(A, 'addr').flatMap((row) =>
      list(row['addr_info']).map((one) => [
        row['ifname'],
        `${String(one['local'])}/${String(one['prefixlen'])}`,
        one['scope'],
        one['broadcast'],
        one['secondary'] === true,
        one['tentative'] === true,
        // iproute2 6.1 does not say who set it; here the kernel set all of link scope.
        one['scope'] === 'link',
      ]),
    )
    const ours = a.addresses.map((one) => [
      one.link,
      formatPrefix(one.address),
      one.scope,
      one.broadcast === undefined ? undefined : formatIp(one.broadcast),
      one.secondary,
      one.tentative,
      one.dynamic,
    ])
    expect(sorted(ours)).toEqual(sorted(theirs))
    expect(ours.length).toBeGreaterThan(5)
  })

  test('routes are those of ip route, without the kernel’s own in the local table', () => {
    const theirs = ['-4', '-6'].flatMap((family) =>
      ipJson(A, family, 'route', 'show', 'table', 'all')
        .filter((row) => row['table'] !== 'local' || row['protocol'] !== 'kernel')
        .flatMap((row) => {
          const hops = row['nexthops'] === undefined ? [row] : list(row['nexthops'])
          return hops.map((hop) => [
            row['dst'],
            row['type'] ?? 'unicast',
            hop['gateway'],
            hop['dev'],
            row['prefsrc'],
            row['metric'] ?? 0,
            tableOf(row['table']),
            row['protocol'],
          ])
        }),
    )
    const ours = a.routes.map((one) => {
      const text = formatPrefix(one.to)
      return [
        text === '0.0.0.0/0' || text === '::/0' ? 'default' : text.replace(/\/(32|128)$/, ''),
        one.type,
        one.via === undefined ? undefined : formatIp(one.via),
        one.link,
        one.source === undefined ? undefined : formatIp(one.source),
        one.metric,
        one.table,
        one.protocol,
      ]
    })
    expect(sorted(ours)).toEqual(sorted(theirs))
    const find = (prefix: string) => a.routes.find((one) => formatPrefix(one.to) === prefix)
    expect(find('10.9.0.0/16')).toMatchObject({ onlink: true, table: 1000 })
    expect(find('10.7.0.0/16')).toMatchObject({ scope: 'link', linkDown: false })
    expect(find('10.11.0.0/16')).toMatchObject({ type: 'local', scope: 'host', table: 255 })
  })

  test('rules are those of ip rule, of both families and no other', () => {
    const theirs = (['-4', '-6'] as const).flatMap((family) =>
      ipJson(A, family, 'rule').map((row) => [
        family === '-4' ? 4 : 6,
        row['priority'],
        prefixText(row['src'], row['srclen']),
        prefixText(row['dst'], row['dstlen']),
        row['iif'],
        row['action'] ?? 'lookup',
      ]),
    )
    const ours = a.rules.map((one) => [
      one.family,
      one.priority,
      one.from === undefined ? undefined : formatPrefix(one.from),
      one.to === undefined ? undefined : formatPrefix(one.to),
      one.iif,
      one.action,
    ])
    expect(sorted(ours)).toEqual(sorted(theirs))
    expect(a.rules.find((one) => one.priority === 100)?.table).toBe(1000)
  })

  test('neighbours hold permanent and proxy entries and no group noise', () => {
    expect(a.neighbours).toContainEqual(
      expect.objectContaining({
        link: 'p0',
        mac: 0x020000000051,
        state: 'permanent',
        proxy: false,
      }),
    )
    expect(a.neighbours).toContainEqual(
      expect.objectContaining({ link: 'p0', mac: undefined, proxy: true }),
    )
    expect(a.neighbours.filter((one) => one.state === 'noarp')).toEqual([])
  })

  test('fdb entries are those of bridge fdb for the ports of bridges', async () => {
    // A learned entry goes with time, and with the carrier of its port.
    const learned = 'fdb replace 02:00:00:00:00:62 dev p1 master dynamic'
    execFileSync('bridge', ['-n', A, ...learned.split(' ')])
    const now = (await takeSnapshot([A])).netns[0] as NetnsSnapshot
    const theirs = bridgeJson(A, 'fdb', 'show')
      .filter((row) => row['master'] === 'br0')
      .map((row) => [row['ifname'], row['mac'], row['state'] === '' ? 'dynamic' : row['state']])
    const ours = now.fdb
      .filter((one) => one.on === 'master')
      .map((one) => [one.link, formatMac(one.mac), one.state])
    // What the links say of IPv6 by themselves is learned between the two looks.
    const chosen = ([, mac, state]: readonly unknown[]): boolean =>
      state !== 'dynamic' || mac === '02:00:00:00:00:62'
    expect(sorted(ours.filter(chosen))).toEqual(sorted(theirs.filter(chosen)))
    expect(ours).toContainEqual(['p1', '02:00:00:00:00:61', 'static'])
    expect(ours).toContainEqual(['p1', '02:00:00:00:00:62', 'dynamic'])
    expect(now.fdb.filter((one) => one.on === 'self')).toEqual([])
  })

  test('every setting reads as sysctl reads it', () => {
    const keys = Object.keys(a.sysctls)
    expect(keys.length).toBeGreaterThan(150)
    const out = execFileSync('ip', ['netns', 'exec', A, 'sysctl', ...keys], { encoding: 'utf8' })
    const theirs = Object.fromEntries(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(' = ') as [string, string]),
    )
    expect(a.sysctls).toEqual(theirs)
    expect(a.sysctls).toMatchObject({
      'net.ipv4.conf.x/0.rp_filter': '2',
      'net.ipv4.ip_default_ttl': '77',
      'net.ipv4.ip_forward': '1',
      'net.ipv6.conf.v0.disable_ipv6': '1',
    })
  })

  test('a namespace that is missing is named', async () => {
    await expect(takeSnapshot(['nlk-s.none'])).rejects.toMatchObject({
      code: 'netns-missing',
      detail: { netns: 'nlk-s.none' },
    })
  })
})

function prefixText(address: unknown, length: unknown): string | undefined {
  return length === undefined ? undefined : `${String(address)}/${Number(length)}`
}

function tableOf(table: unknown): number {
  if (table === undefined || table === 'main') return 254
  return table === 'local' ? 255 : Number(table)
}
