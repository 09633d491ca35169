import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp } from '../../addr/ip.ts'
import { formatMac, parseMac } from '../../addr/mac.ts'
import { Writer } from '../bytes.ts'
import { readEvents } from '../event.ts'
import {
  type Format,
  incoming,
  outgoing,
  readAnswer,
  readMessage,
  writeMessage,
} from '../message.ts'
import { address } from './address.ts'
import { bridgeLink } from './bridge.ts'
import { link } from './link.ts'
import { neighbour } from './neighbour.ts'
import { nsid } from './nsid.ts'
import { route } from './route.ts'
import { rule } from './rule.ts'

type Recording = { readonly sent: string; readonly answers: readonly string[] }
const recorded = JSON.parse(
  readFileSync(new URL('../recorded.json', import.meta.url), 'utf8'),
) as Record<string, Recording>

function answersOf(name: string): Uint8Array[] {
  return (recorded[name] as Recording).answers.map((hex) =>
    Uint8Array.from(Buffer.from(hex, 'hex')),
  )
}

function read<H, A>(name: string, form: Format<H, A>) {
  return answersOf(name)
    .flatMap((datagram) => incoming(datagram))
    .filter((message) => message.type > 3)
    .map((message) => readMessage(form, message))
    .filter((entry) => entry !== undefined)
}

/** The body of a request, without the netlink header. */
function body<H, A>(form: Format<H, A>, header: Partial<H>, attributes: A): string {
  const writer = new Writer()
  outgoing(16, 0, form, header, attributes).write(writer)
  return Buffer.from(writer.bytes()).toString('hex')
}

test('link reads a dump of Linux 6.18', () => {
  const links = read('links', link)
  expect(
    links.map((entry) => entry.attributes.name ?? '').sort((a, b) => (a < b ? -1 : 1)),
  ).toEqual(['br0', 'eth0', 'eth1', 'lo', 'mac1'])
  const mac1 = links.find((entry) => entry.attributes.name === 'mac1')?.attributes
  expect(mac1?.alias).toBe('über')
  expect(mac1?.info?.kind).toBe('macvlan')
  expect(mac1?.info?.macvlan?.mode).toBe(16)
  expect(mac1?.info?.macvlan?.addresses?.list?.map(formatMac).toSorted()).toEqual([
    '02:00:00:00:00:01',
    '02:00:00:00:00:02',
  ])
  const eth1 = links.find((entry) => entry.attributes.name === 'eth1')?.attributes
  expect(eth1?.info?.slaveKind).toBe('bridge')
  expect(eth1?.info?.port).toMatchObject({ hairpin: 0, learning: 1, flood: 1, isolated: 0 })
  expect(eth1?.afSpec?.inet6?.conf?.length).toBeGreaterThan(58)
})

test('address, route, rule and neighbour read dumps of Linux 6.18', () => {
  const own = read('addresses', address).find((entry) => entry.header.family === 2)
  expect([formatIp(own?.attributes.local ?? 0), own?.header.length]).toEqual(['10.0.0.1', 24])
  const far = read('routes', route).find((entry) => entry.attributes.priority === 7)
  expect(formatIp(far?.attributes.gateway ?? 0)).toBe('10.0.0.2')
  expect(far?.attributes.metrics).toEqual({ mtu: 1400 })
  const ours = read('rules', rule).find((entry) => entry.attributes.priority === 5)
  expect([ours?.attributes.table, ours?.header.srcLength]).toEqual([100, 16])
  const fixed = read('neighbours', neighbour).find((entry) => entry.header.state === 0x80)
  expect(fixed?.attributes).toMatchObject({ mac: parseMac('02:00:00:00:00:09') })
})

test('bridgeLink reads port options in the AF_BRIDGE form', () => {
  const port = read('bridge-ports', bridgeLink).find((e) => e.attributes.name === 'eth1')
  expect(port?.header.family).toBe(7)
  expect(port?.attributes.port).toMatchObject({ hairpin: 0, learning: 1 })
})

test('fdb entries carry the bridge they belong to', () => {
  const entries = read('fdb', neighbour)
  expect(entries.some((entry) => entry.attributes.master !== undefined)).toBe(true)
})

test('every recorded message survives writing and reading again', () => {
  const again = <H, A>(name: string, form: Format<H, A>) => {
    for (const entry of read(name, form)) {
      const writer = new Writer()
      writeMessage(writer, outgoing(entry.type, 0, form, entry.header, entry.attributes), 0, 1)
      const [message] = incoming(writer.bytes())
      expect(message && readMessage(form, message)).toEqual(entry)
    }
  }
  again('links', link)
  again('addresses', address)
  again('routes', route)
  again('rules', rule)
  again('neighbours', neighbour)
  again('fdb', neighbour)
  again('bridge-ports', bridgeLink)
})

test('link writes a macvlan made in place in another namespace', () => {
  expect(
    body(
      link,
      {},
      { name: 'm1', link: 3, netnsFd: 9, info: { kind: 'macvlan', macvlan: { mode: 4 } } },
    ),
  ).toBe(
    '00000000000000000000000000000000' + // ifinfomsg
      '070003006d310000' + // IFLA_IFNAME
      '0800050003000000' + // IFLA_LINK
      '08001c0009000000' + // IFLA_NET_NS_FD
      '1c001280' + // IFLA_LINKINFO, nested
      '0c0001006d6163766c616e00' + // IFLA_INFO_KIND
      '0c000280' + // IFLA_INFO_DATA, nested
      '0800010004000000', // IFLA_MACVLAN_MODE
  )
})

test('link writes a veth peer as a link message inside an attribute', () => {
  const written = body(link, {}, { info: { kind: 'veth', veth: { peer: { name: 'b' } } } })
  expect(written.slice(32)).toBe(
    '3000128009000100766574680000000020000280' +
      '1c000100' + // VETH_INFO_PEER
      '00000000000000000000000000000000' + // ifinfomsg
      '0600030062000000',
  )
})

test('route reads next hops of a multipath route', () => {
  const writer = new Writer()
  const multipath = [
    { length: 0, flags: 16, hops: 0, index: 2, gateway: 0x0a000001 },
    { length: 0, flags: 0, hops: 1, index: 3, via: 1n },
  ]
  writeMessage(writer, outgoing(24, 0, route, {}, { multipath }), 0, 1)
  const [message] = incoming(writer.bytes())
  const hops = message && readMessage(route, message)?.attributes.multipath
  expect(hops).toMatchObject([
    { flags: 16, index: 2, gateway: 0x0a000001 },
    { index: 3, hops: 1, via: 1n },
  ])
})

test('readAnswer() gives errno, text and offset as the kernel sent them', () => {
  const [mtu] = answersOf('mtu-too-small').flatMap((datagram) => incoming(datagram))
  expect(mtu && readAnswer(mtu)).toMatchObject({
    ok: false,
    errno: 'EINVAL',
    extack: 'mtu less than device minimum',
  })
  const [none] = answersOf('no-such-link').flatMap((datagram) => incoming(datagram))
  expect(none && readAnswer(none)).toEqual({
    ok: false,
    errno: 'ENODEV',
    extack: undefined,
    offset: undefined,
  })
  const [fine] = answersOf('alias').flatMap((datagram) => incoming(datagram))
  expect(fine && readAnswer(fine)).toEqual({ ok: true })
})

test('readEvents() tells new from deleted and skips what it does not know', () => {
  const [datagram] = answersOf('links')
  const events = readEvents(datagram as Uint8Array)
  expect(events[0]).toMatchObject({ what: 'link', change: 'new' })
  const [rules] = answersOf('rules')
  expect(readEvents(rules as Uint8Array)).toEqual([])
})

test('no decoder throws on damaged recordings', () => {
  const forms = [link, address, route, neighbour, rule, bridgeLink, nsid] as readonly Format<
    unknown,
    unknown
  >[]
  const samples = Object.keys(recorded)
    .filter((name) => name !== 'note')
    .flatMap((name) => answersOf(name))
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.nat(samples.length - 1), damage, fc.nat(), (which, hits, cut) => {
      const data = Uint8Array.from(samples[which] as Uint8Array)
      for (const [where, what] of hits) data[where % data.length] = what
      const datagram = data.subarray(0, cut % 2 === 0 ? data.length : cut % data.length)
      readEvents(datagram)
      for (const message of incoming(datagram)) {
        readAnswer(message)
        for (const form of forms) readMessage(form, message)
      }
    }),
    { numRuns: 3000 },
  )
})

test('no decoder throws on noise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.integer({ min: 16, max: 120 }), (data, n) => {
      // A plausible length lets the walk get past the header.
      if (data.length > 4) data.set([n, 0, 0, 0])
      for (const message of incoming(data)) {
        readAnswer(message)
        readMessage(link, message)
        readMessage(route, message)
      }
    }),
    { numRuns: 2000 },
  )
})
