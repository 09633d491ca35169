import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseIp4 } from '../addr/ip4.ts'
import { parseIp6 } from '../addr/ip6.ts'
import { frames } from '../../test/support/frames.ts'
import { pcapOf } from '../../test/support/pcap.ts'
import { decodeFrame, encodeFrame } from './codec.ts'
import type { Frame } from './frame.ts'
import { frameOf, makeArp, makeEcho, makeEcho4, makeMldReport, makeNs } from './make.ts'
import { printFrame } from './print.ts'

const A = 0x02000000000a
const B = 0x02000000000b

test('printFrame words the everyday frames as tcpdump does', () => {
  const [a, b] = [parseIp4('10.9.0.1'), parseIp4('10.9.0.2')]
  const arp = makeArp(0xffffffffffff, A, 1, A, a, 0, b)
  expect(printFrame(arp)).toBe('ARP, Request who-has 10.9.0.2 tell 10.9.0.1, length 28')
  expect(printFrame(arp, { link: true })).toBe(
    '02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: ' +
      'Request who-has 10.9.0.2 tell 10.9.0.1, length 28',
  )
  const tagged = { ...arp, tags: [{ protocol: 0x8100, id: 100, priority: 3 }] }
  expect(printFrame(tagged, { link: true })).toBe(
    '02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ethertype 802.1Q (0x8100), length 46: ' +
      'vlan 100, p 3, ethertype ARP (0x0806), Request who-has 10.9.0.2 tell 10.9.0.1, length 28',
  )
  expect(printFrame(frameOf(B, A, makeEcho4(a, b, 64, makeEcho(4, false, 7, 1, 56))))).toBe(
    'IP 10.9.0.1 > 10.9.0.2: ICMP echo request, id 7, seq 1, length 64',
  )
  const target = parseIp6('fe80::2')
  expect(
    printFrame(frameOf(B, A, makeNs(0n, parseIp6('ff02::1:ff00:2'), target, undefined, 9))),
  ).toBe('IP6 :: > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 32')
  expect(printFrame(frameOf(B, A, makeMldReport(0n, 4, [target])))).toBe(
    'IP6 :: > ff02::16: HBH ICMP6, multicast listener report v2, 1 group record(s), length 28',
  )
})

test('printFrame never throws, whatever bytes the frame came from, and keeps to one line', () => {
  fc.assert(
    fc.property(frames, fc.nat(60), fc.nat(255), fc.boolean(), (frame, at, value, link) => {
      const bytes = encodeFrame(frame)
      if (at < bytes.length) bytes[at] = value
      const damaged = decodeFrame(bytes)
      expect(printFrame(frame, { link })).not.toContain('\n')
      if (damaged !== undefined) expect(printFrame(damaged, { link })).not.toContain('\n')
    }),
    { numRuns: 1000 },
  )
})

const tcpdump = hasTcpdump()

function hasTcpdump(): boolean {
  try {
    return /version 4\.99/.test(execFileSync('tcpdump', ['--version'], { encoding: 'utf8' }))
  } catch {
    return false
  }
}

/** What tcpdump prints of frames: one line each, without the hexadecimal below. */
function tcpdumpOf(all: readonly Frame[], flags: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'lanyard-print-'))
  try {
    const file = join(dir, 'frames.pcap')
    writeFileSync(file, pcapOf(all.map(encodeFrame)))
    const out = execFileSync('tcpdump', [flags, '-r', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return out
      .trimEnd()
      .split(/\n(?!\t)/)
      .map((entry) => entry.split('\n\t')[0]?.trimEnd() ?? '')
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** Whether tcpdump looks no deeper into a frame than we do. */
function alike(frame: Frame): boolean {
  const { packet } = frame
  if (packet.kind === 'raw') return false
  if (packet.kind === 'arp') return true
  const { payload } = packet
  // GRE, SCTP and whatever bytes that claim to be IGMP.
  if (payload.kind === 'raw') {
    return packet.kind === 'ip4' ? packet.fragmentOffset > 0 : packet.fragment !== undefined
  }
  if (payload.kind === 'tcp') {
    const options = packet.length - (packet.kind === 'ip4' ? 20 : 40) - 20 - payload.dataLength
    return options === 0 && plainPorts(payload)
  }
  if (payload.kind === 'udp') return plainPorts(payload)
  if (payload.kind === 'icmp' && payload.quoted !== undefined) {
    // Printed by us without the checksum that stands where a port would be.
    const { quoted } = payload
    const portless = quoted.payload.kind !== 'udp' && quoted.payload.kind !== 'tcp'
    const unreachable = payload.type === (payload.version === 4 ? 3 : 1)
    return !(unreachable && portless && payload.code >= 3)
  }
  return true
}

/** Ports without a protocol that tcpdump knows; most are low. */
function plainPorts(payload: { readonly srcPort: number; readonly dstPort: number }): boolean {
  return payload.srcPort > 50000 && payload.dstPort > 50000
}

test.skipIf(!tcpdump)(
  'printFrame says what the installed tcpdump says (skipped without tcpdump 4.99)',
  () => {
    const all = fc.sample(frames, { numRuns: 6000, seed: 7 }).filter(alike)
    expect(all.length).toBeGreaterThan(2000)
    expect(all.map((frame) => printFrame(frame))).toEqual(tcpdumpOf(all, '-ntS'))
    expect(all.map((frame) => printFrame(frame, { link: true }))).toEqual(tcpdumpOf(all, '-netS'))
  },
)
