/**
 * What can only be learned by sending something: does the LAN take a second MAC, who hands out
 * addresses, does anybody answer for ours. Runs on any fabric; what it makes it takes away.
 *
 * A crash in the middle leaves a namespace `lanyard-doctor-...` with one link in it, which the next
 * run takes away; nothing of it answers anybody.
 */
import type { Ip4 } from '../addr/ip.ts'
import { MAC_BROADCAST, type Mac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import type { CapturedFrame, Fabric, FramePort } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import { decodeFrame, encodeFrame } from '../wire/codec.ts'
import {
  decodeDhcp,
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  type DhcpMessage,
  encodeDhcp,
} from '../wire/dhcp.ts'
import { ETH_ARP, ETH_IP4, type Frame, PROTO_UDP } from '../wire/frame.ts'
import { frameOf, makeArp, makeIp4 } from '../wire/make.ts'
import type { ActiveFacts, Offer, SecondMac } from './facts.ts'

export const DOCTOR_NETNS = 'lanyard-doctor-'

/** RFC 5227 asks three times; a busy switch may lose one. */
const ASKED = 3
const ANSWER_MS = 300
/** dnsmasq pings an address for three seconds before it offers it. */
const OFFER_MS = 5000
const MORE_OFFERS_MS = 400
const STEP_MS = 50
const EVERYBODY = 0xffffffff

export interface ActiveQuestion {
  readonly fabric: Fabric
  readonly parent: string
  /** The parent's own MAC. */
  readonly mac: Mac
  /** Who is asked: the gateway, or a neighbour that was there. */
  readonly ask: Ip4 | undefined
  /** Addresses of ours on that wire, with the MACs that may answer for them. */
  readonly own: readonly Ip4[]
  readonly ownMacs: readonly Mac[]
  /** Tells this run from others. */
  readonly id: string
  /** A MAC nobody has: locally administered. */
  readonly newMac: () => Mac
  /** Transaction numbers. */
  readonly newTransaction: () => number
}

/** Tries one parent. Every part is tried, whatever became of the others. */
export async function tryParent(question: ActiveQuestion): Promise<ActiveFacts> {
  const { parent } = question
  const secondMac = await trySecondMac(question)
  const [offers, conflicts] = await Promise.all([
    listenForOffers(question),
    findConflicts(question),
  ])
  return { parent, secondMac, offers, conflicts }
}

/** A child with another MAC asks, and the parent itself as well. */
export async function trySecondMac(question: ActiveQuestion): Promise<SecondMac> {
  const { fabric, parent, ask, id } = question
  const why = (text: string): SecondMac => ({ outcome: 'impossible', asked: ask, why: text })
  if (ask === undefined) return why('there is no gateway and no neighbour to ask')
  const netns = `${DOCTOR_NETNS}${id}`
  const mac = question.newMac()
  let made = false
  try {
    await fabric.apply([{ do: 'netns.add', netns }])
    made = true
    await fabric.apply(childPlan(netns, parent, mac))
    if (await answersTo(fabric, netns, 'eth0', mac, ask)) {
      return { outcome: 'accepted', asked: ask, why: undefined }
    }
    const answered = await answersTo(fabric, '', parent, question.mac, ask)
    return { outcome: answered ? 'refused' : 'silent', asked: ask, why: undefined }
  } catch (error) {
    if (error instanceof LanyardError) return why(error.message)
    throw error
  } finally {
    if (made) await fabric.apply([{ do: 'netns.del', netns }], { keepGoing: true })
  }
}

/** Silent but for what is asked by it. */
function childPlan(netns: string, parent: string, address: Mac): Plan {
  return [
    { do: 'sysctl.set', netns, key: 'net.ipv6.conf.default.disable_ipv6', value: '1' },
    {
      do: 'link.add',
      netns,
      name: 'eth0',
      parentNetns: '',
      address,
      spec: { kind: 'macvlan', parent, macvlan: { mode: 'private' } },
    },
    { do: 'link.set', netns, name: 'eth0', up: true },
  ]
}

/** An ARP probe (sender 0.0.0.0, RFC 5227): nobody learns anything from it. */
function probeFrame(mac: Mac, ip: Ip4): Uint8Array {
  return encodeFrame(makeArp(MAC_BROADCAST, mac, 1, mac, 0, 0, ip))
}

async function answersTo(
  fabric: Fabric,
  netns: string,
  link: string,
  mac: Mac,
  ip: Ip4,
): Promise<boolean> {
  const heard = { answer: false }
  const port = await fabric.openPort(
    netns,
    link,
    (captured) => {
      const packet = frameOfCaptured(captured)?.packet
      if (packet?.kind !== 'arp' || packet.operation !== 2) return
      heard.answer ||= packet.senderIp === ip && packet.targetMac === mac
    },
    { etherType: ETH_ARP },
  )
  try {
    for (let i = 0; i < ASKED && !heard.answer; i++) {
      trySend(port, probeFrame(mac, ip))
      await waitFor(fabric, ANSWER_MS, () => heard.answer)
    }
    return heard.answer
  } finally {
    port.close()
  }
}

/** Whoever else answers for an address of ours. */
export async function findConflicts(question: ActiveQuestion): Promise<ActiveFacts['conflicts']> {
  const { fabric, parent, mac, own, ownMacs } = question
  if (own.length === 0) return []
  const wanted = new Set(own)
  const known = new Set([...ownMacs, mac])
  const found = new Map<string, { ip: Ip4; mac: Mac }>()
  const port = await fabric.openPort(
    '',
    parent,
    (captured) => {
      const packet = frameOfCaptured(captured)?.packet
      if (packet?.kind !== 'arp' || packet.operation !== 2) return
      const { senderIp: ip, senderMac } = packet
      if (!wanted.has(ip) || known.has(senderMac)) return
      found.set(`${ip} ${senderMac}`, { ip, mac: senderMac })
    },
    { etherType: ETH_ARP },
  )
  try {
    for (let i = 0; i < ASKED; i++) {
      for (const ip of own) trySend(port, probeFrame(mac, ip))
      await waitFor(fabric, ANSWER_MS, () => false)
    }
    return [...found.values()]
  } finally {
    port.close()
  }
}

/**
 * Asks who hands out addresses, three times with three MACs: the addresses offered show where the
 * range is. Nothing is taken; a server keeps an offer back for a minute or so.
 */
export async function listenForOffers(question: ActiveQuestion): Promise<readonly Offer[]> {
  const { fabric, parent, mac } = question
  const asking = new Map<number, Mac>()
  for (const one of [mac, question.newMac(), question.newMac()]) {
    asking.set(question.newTransaction(), one)
  }
  const offers: Offer[] = []
  const port = await fabric.openPort(
    '',
    parent,
    (captured) => {
      const message = dhcpIn(captured)
      if (message?.type !== 'offer' || !asking.has(message.transaction)) return
      const { your, options } = message
      const server = options.server ?? 0
      if (offers.some((o) => o.server === server && o.address === your)) return
      offers.push({
        server,
        address: your,
        router: options.routers?.[0],
        leaseTime: options.leaseTime,
      })
    },
    { etherType: ETH_IP4 },
  )
  try {
    for (const [transaction, one] of asking) trySend(port, discoverFrame(transaction, one, mac))
    await waitFor(fabric, OFFER_MS, () => offers.length > 0)
    // Others may be slower.
    if (offers.length > 0) await waitFor(fabric, MORE_OFFERS_MS, () => false)
    return offers
  } finally {
    port.close()
  }
}

/** Sent by the parent's own MAC, whatever MAC it is asked for: a switch may take no other. */
function discoverFrame(transaction: number, mac: Mac, parentMac: Mac): Uint8Array {
  const message: DhcpMessage = {
    type: 'discover',
    transaction,
    seconds: 0,
    broadcast: true,
    client: 0,
    your: 0,
    relay: 0,
    mac,
    options: { parameters: [1, 3, 51, 54] },
  }
  const data = encodeDhcp(message)
  const datagram = {
    kind: 'udp',
    srcPort: DHCP_CLIENT_PORT,
    dstPort: DHCP_SERVER_PORT,
    data,
  } as const
  const packet = makeIp4(0, EVERYBODY, 64, PROTO_UDP, datagram, 8 + data.length)
  return encodeFrame(frameOf(MAC_BROADCAST, parentMac, packet))
}

function dhcpIn(captured: CapturedFrame): DhcpMessage | undefined {
  const packet = frameOfCaptured(captured)?.packet
  if (packet?.kind !== 'ip4' || packet.payload.kind !== 'udp') return undefined
  const { dstPort, data } = packet.payload
  return dstPort === DHCP_CLIENT_PORT ? decodeDhcp(data) : undefined
}

const frameOfCaptured = ({ bytes }: CapturedFrame): Frame | undefined => decodeFrame(bytes)

/** A link that went down meanwhile answers nothing. */
function trySend(port: FramePort, bytes: Uint8Array): void {
  try {
    port.send(bytes)
  } catch {
    // ENETDOWN, ENOBUFS: as if it were lost on the wire.
  }
}

async function waitFor(fabric: Fabric, ms: number, done: () => boolean): Promise<void> {
  for (let waited = 0; waited < ms && !done(); waited += STEP_MS) {
    await fabric.clock.sleep(STEP_MS)
  }
}
