/** Frames through ipvlan: its rules look into ARP and IPv4, so real packets are sent. */
import { parseIp4 } from '../../src/addr/ip4.ts'
import { parseMac } from '../../src/addr/mac.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/codec.ts'
import { ETH_ARP, ETH_IP4, type Packet } from '../../src/wire/frame.ts'
import { makeFrame } from '../../src/wire/make.ts'
import type { FrameTest } from './rows.ts'

/** Experimental, and nobody's (RFC 3692). */
const PROTOCOL = 253

const ADDRESSES: Readonly<Record<string, string>> = {
  i1: '10.9.0.11',
  i2: '10.9.0.12',
  host: '10.9.0.2',
  ext: '10.9.0.10',
}

/** krnwire in krnw, a cable to krnpar in krnh, and krni1 and krni2 on it in krnk. */
export function ipvlanTopology(name: string) {
  const [, , mode = '', flag = 'bridge'] = name.split('-')
  const quiet = (netns: string) =>
    ['all', 'default'].map(
      (level) => `ip netns exec ${netns} sysctl -qw net.ipv6.conf.${level}.disable_ipv6=1`,
    )
  const names = ['krnw', 'krnh', 'krnk']
  const build = [
    ...names.flatMap((netns) => [`ip netns add ${netns}`, ...quiet(netns)]),
    'ip -n krnh link set lo up',
    'ip -n krnh link add krnpar address 02:00:00:00:0b:01 type veth peer name krnwire netns krnw',
    'ip -n krnw link set krnwire up',
    'ip -n krnh link set krnpar up',
    'ip -n krnh addr add 10.9.0.2/24 dev krnpar',
    'ip -n krnh neigh add 10.9.0.10 lladdr 02:00:00:00:0c:01 dev krnpar nud permanent',
    'ip -n krnh route add 10.20.0.0/24 via 10.9.0.10',
  ]
  for (const n of [1, 2])
    build.push(
      `ip -n krnh link add link krnpar name krni${n} netns krnk type ipvlan mode ${mode} ${flag}`,
      `ip -n krnk addr add 10.9.0.1${n}/24 dev krni${n}`,
      `ip -n krnk link set krni${n} up`,
    )
  const homes = new Map([
    ['krnwire', 'krnw'],
    ['krnpar', 'krnh'],
    ['lo', 'krnh'],
    ['krni1', 'krnk'],
    ['krni2', 'krnk'],
  ])
  return { build, homes, types: [ETH_ARP, ETH_IP4], frameOf: bytesOf, isOurs }
}

/** The frame a row describes in words: `i1 ARP who-has i2`, `wire: ext IPv4 to i1`, ... */
function bytesOf(test: FrameTest, number: number): Uint8Array {
  const [src, dst] = [parseMac(test.inject.src), parseMac(test.inject.dst)]
  const packet = packetOf(test, number)
  const etherType = packet.kind === 'arp' ? ETH_ARP : ETH_IP4
  return encodeFrame(makeFrame(dst, src, etherType, packet, packet.kind === 'arp' ? 28 : 40))
}

function packetOf({ inject }: FrameTest, number: number): Packet {
  const words = (inject.as ?? '').replace('wire: ', '').replace('hairpinned ', '').split(' ')
  const src = parseIp4(ADDRESSES[words[0] ?? ''] ?? '0.0.0.0')
  const text = words.slice(1).join(' ')
  const dst = parseIp4(targetOf(text))
  if (text.startsWith('ARP')) {
    const operation = text.includes('who-has') ? 1 : 2
    return {
      kind: 'arp',
      operation,
      senderMac: parseMac(inject.src),
      senderIp: src,
      // Nobody reads that of a question (RFC 826): the kernels' own bear a zero there.
      targetMac: operation === 1 ? number + 1 : parseMac(inject.dst),
      targetIp: dst,
    }
  }
  return {
    kind: 'ip4',
    ...{ src, dst, ttl: text.includes('ttl=1') ? 1 : 64, protocol: PROTOCOL, tos: 0 },
    id: number + 1,
    dontFragment: true,
    ...{ moreFragments: false, fragmentOffset: 0, length: 40 },
    payload: { kind: 'raw', bytes: new Uint8Array(20) },
  }
}

function targetOf(text: string): string {
  if (text.includes('routed')) return '10.20.0.5'
  if (text.includes('unknown IP')) return '10.9.0.99'
  if (text.includes('subnet broadcast')) return '10.9.0.255'
  if (text.includes('multicast')) return '224.0.0.9'
  return ADDRESSES[/(?:who-has|to) (\w+)/.exec(text)?.[1] ?? ''] ?? '0.0.0.0'
}

/** Whether it is the frame of this test; the kernels answer some of them, too. */
function isOurs(bytes: Uint8Array, test: FrameTest, number: number): boolean {
  const packet = decodeFrame(bytes)?.packet
  const wanted = packetOf(test, number)
  if (packet?.kind === 'ip4' && wanted.kind === 'ip4')
    return packet.protocol === PROTOCOL && packet.id === wanted.id
  return (
    packet?.kind === 'arp' &&
    wanted.kind === 'arp' &&
    packet.operation === wanted.operation &&
    packet.targetMac === wanted.targetMac &&
    packet.senderIp === wanted.senderIp &&
    packet.targetIp === wanted.targetIp
  )
}
