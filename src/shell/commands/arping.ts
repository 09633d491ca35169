/** `arping` of iputils and of busybox: frames built and read here, sent through a raw port. */
import { formatIp, type Ip4 } from '../../addr/ip.ts'
import { formatMac, MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import { decodeFrame, encodeFrame } from '../../wire/codec.ts'
import { ETH_ARP, NO_TAGS } from '../../wire/frame.ts'
import { guarded, takeView, type View } from '../request.ts'
import { type Command, failed, type Output, type Session } from '../session.ts'
import { readHost } from './ping-options.ts'

interface Options {
  count: number | undefined
  deadlineMs: number | undefined
  link: string | undefined
  source: Ip4 | undefined
  duplicate: boolean
  unsolicited: boolean
  answer: boolean
  quiet: boolean
  host: string | undefined
}

export const arpingCommand: Command = (session, words) =>
  guarded(() => arping(session, words, false))
export const busyboxArping: Command = (session, words) =>
  guarded(() => arping(session, words, true))

function readOptions(words: readonly string[]): Options | string {
  const o: Options = {
    count: undefined,
    deadlineMs: undefined,
    link: undefined,
    source: undefined,
    duplicate: false,
    unsolicited: false,
    answer: false,
    quiet: false,
    host: undefined,
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (!word.startsWith('-')) o.host = word
    else {
      for (let i = 1; i < word.length; i++) {
        const letter = word[i] as string
        if ('cwIsi'.includes(letter)) {
          const value = i + 1 < word.length ? word.slice(i + 1) : words[++at]
          if (value === undefined) return letter
          if (letter === 'c') o.count = Number(value)
          else if (letter === 'w') o.deadlineMs = Number(value) * 1000
          else if (letter === 'I') o.link = value
          else if (letter === 's') o.source = readHost(value)?.ip as Ip4 | undefined
          break
        }
        if (letter === 'D') o.duplicate = true
        else if (letter === 'U') o.unsolicited = true
        else if (letter === 'A') o.unsolicited = o.answer = true
        else if (letter === 'q') o.quiet = true
        else if (letter !== 'b' && letter !== 'f') return letter
      }
    }
  }
  return o
}

/** Of what is here. */
const USAGE = `
Usage:
  arping [options] <destination>

Options:
  -f            quit on first reply
  -q            be quiet
  -b            keep on broadcasting, do not unicast
  -D            duplicate address detection mode
  -U            unsolicited ARP mode, update your neighbours
  -A            ARP answer mode, update your neighbours
  -c <count>    how many packets to send
  -w <timeout>  how long to wait for a reply
  -I <device>   which ethernet device to use
  -s <source>   source ip address
  <destination> dns name or ip address

For more details see arping(8).
`

async function arping(
  session: Session,
  words: readonly string[],
  busybox: boolean,
): Promise<Output> {
  const o = readOptions(words)
  if (typeof o === 'string') {
    return failed(127, `lanyard: "-${o}" of arping is not part of this shell yet\n`)
  }
  if (o.host === undefined && !busybox) return failed(2, USAGE)
  const named = await session.machine?.lookup(o.host ?? '')
  const target = readHost(o.host ?? '')?.ip ?? named?.find((ip) => typeof ip === 'number')
  if (typeof target !== 'number')
    return failed(2, `arping: ${o.host ?? ''}: Name or service not known\n`)
  const view = await takeView(session, session.netns)
  const name = o.link ?? view?.netns.links.find((l) => l.kind !== 'loopback' && l.up)?.name
  const link = view?.netns.links.find((l) => l.name === name)
  if (view === undefined || link === undefined || name === undefined) {
    const text = busybox
      ? `arping: interface ${name} not found: No such device\n`
      : `arping: Device ${name} not available.\n`
    return failed(2, text)
  }
  const source = o.duplicate ? 0 : (o.source ?? (o.unsolicited ? target : sourceOn(view, name)))
  const run = await exchange(session, name, link.address, source, target, o)
  return report(o, run, { name, source, target, busybox })
}

function sourceOn(view: View, link: string): Ip4 {
  const mine = view.netns.addresses.find(
    (a) => a.link === link && typeof a.address.address === 'number',
  )
  return (mine?.address.address ?? 0) as Ip4
}

interface Exchange {
  sent: number
  broadcasts: number
  readonly replies: { mac: Mac; ms: number }[]
}

/** One request a second; after the first answer iputils asks that MAC only. */
async function exchange(
  session: Session,
  link: string,
  mac: Mac,
  source: Ip4,
  target: Ip4,
  o: Options,
): Promise<Exchange> {
  const run: Exchange = { sent: 0, broadcasts: 0, replies: [] }
  const { clock } = session.fabric
  let sentAt = 0
  const port = await session.fabric.openPort(
    session.netns,
    link,
    (frame) => {
      if (frame.type === 'outgoing') return
      const packet = decodeFrame(frame.bytes)?.packet
      if (packet?.kind !== 'arp' || packet.senderIp !== target || packet.senderMac === mac) return
      if (packet.operation !== 2 && !o.duplicate) return
      run.replies.push({ mac: packet.senderMac, ms: (frame.timeNs - sentAt) / 1e6 })
    },
    { etherType: ETH_ARP },
  )
  const count = o.count ?? Math.max(1, Math.ceil((o.deadlineMs ?? 4000) / 1000))
  const stop = () => (o.duplicate && run.replies.length > 0) || run.replies.length >= count
  for (let n = 0; n < count && !stop(); n++) {
    const known = o.unsolicited ? undefined : run.replies[0]?.mac
    sentAt = clock.nowNs()
    port.send(requestFrame(mac, source, target, known ?? MAC_BROADCAST, o))
    run.sent++
    if (known === undefined) run.broadcasts++
    const before = run.replies.length
    for (let waited = 0; waited < 1000; waited += 50) {
      await clock.sleep(50)
      if (n === count - 1 && run.replies.length > before) break
      if (stop()) break
    }
  }
  port.close()
  return run
}

function requestFrame(mac: Mac, source: Ip4, target: Ip4, to: Mac, o: Options): Uint8Array {
  return encodeFrame({
    dst: to,
    src: mac,
    tags: NO_TAGS,
    etherType: ETH_ARP,
    length: 28,
    packet: {
      kind: 'arp',
      operation: o.answer ? 2 : 1,
      senderMac: mac,
      senderIp: source,
      targetMac: o.answer ? mac : MAC_BROADCAST,
      targetIp: target,
    },
  })
}

interface Told {
  readonly name: string
  readonly source: Ip4
  readonly target: Ip4
  readonly busybox: boolean
}

function report(o: Options, run: Exchange, told: Told): Output {
  const { busybox } = told
  const ip = formatIp(told.target)
  let out = `ARPING ${ip} from ${formatIp(told.source)} ${told.name}\n`
  for (const r of run.replies) {
    const gap = busybox ? ' ' : '  '
    out += `Unicast reply from ${ip} [${formatMac(r.mac)}]${gap}${r.ms.toFixed(3)}ms\n`
  }
  const got = run.replies.length
  out += busybox
    ? `Sent ${run.sent} probe(s) (0 broadcast(s))\n` +
      `Received ${got} response(s) (0 request(s), 0 broadcast(s))\n`
    : `Sent ${run.sent} probes (${run.broadcasts} broadcast(s))\nReceived ${got} response(s)\n`
  const ok = o.duplicate ? got === 0 : got > 0 || o.unsolicited
  return { code: ok ? 0 : 1, stdout: o.quiet ? '' : out, stderr: '' }
}
