/** `arp` of net-tools 2.10: the neighbour table of IPv4 as it printed it. */
import { formatIp, tryParseIp } from '../../addr/ip.ts'
import { formatMac } from '../../addr/mac.ts'
import { contains } from '../../addr/prefix.ts'
import type { NeighbourSnapshot } from '../../fabric/snapshot.ts'
import { readMac, ToolExit } from '../arguments.ts'
import { applyOne, guarded, noSuchNetns, takeView, type View } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

interface Options {
  all: boolean
  link: string | undefined
  verb: 's' | 'd' | undefined
}

export const arpCommand: Command = (session, words) =>
  guarded(async () => {
    const view = await takeView(session, session.netns)
    if (view === undefined) return noSuchNetns(session.netns)
    const o: Options = { all: false, link: undefined, verb: undefined }
    const rest: string[] = []
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string
      if (word === '-i') o.link = words[++at]
      else if (/^-[naesd]+$/.test(word)) readFlags(word.slice(1), o)
      else if (word.startsWith('-')) return notYet(word)
      else rest.push(word)
    }
    if (o.verb !== undefined) return change(session, view, o, rest)
    const [host] = rest
    const ip = host === undefined ? undefined : hostOf(host)
    const found = view.netns.neighbours.filter(
      (n) =>
        typeof n.ip === 'number' &&
        (ip === undefined || n.ip === ip) &&
        (o.link === undefined || n.link === o.link),
    )
    if (found.length > 0) return done(o.all ? found.map(bsdRow).join('') : table(found))
    if (host === undefined) return done()
    const on = o.link === undefined ? '' : ` on ${o.link}`
    return done(
      o.all
        ? `arp: in 1 entries no match found.\n`
        : `${host} (${formatIp(ip ?? 0)}) -- no entry${on}\n`,
    )
  })

function notYet(word: string): Output {
  return failed(127, `lanyard: "${word}" of arp is not part of this shell yet\n`)
}

function readFlags(letters: string, o: Options): void {
  for (const letter of letters) {
    if (letter === 'a') o.all = true
    else if (letter === 's' || letter === 'd') o.verb = letter
  }
}

function hostOf(text: string): number {
  if (text === '') throw new ToolExit(255, 'arp: need host name\n')
  const ip = tryParseIp(text)
  if (typeof ip === 'number') return ip
  throw new ToolExit(255, `${text}: Unknown host\n`)
}

const HEAD = 'Address                  HWtype  HWaddress           Flags Mask            Iface\n'

/** ATF_COM: there is a MAC; ATF_PERM: set by hand. */
function flagsOf(n: NeighbourSnapshot): string {
  return `${n.mac === undefined || n.state === 'failed' ? '' : 'C'}${n.state === 'permanent' ? 'M' : ''}`
}

function table(all: readonly NeighbourSnapshot[]): string {
  const rows = all.map((n) => {
    const known = flagsOf(n).includes('C')
    const type = (known ? 'ether' : '').padEnd(8)
    const mac = (known ? formatMac(n.mac ?? 0) : '(incomplete)').padEnd(20)
    return `${formatIp(n.ip).padEnd(25)}${known ? `${type}${mac}` : `${type}${mac}`}${flagsOf(n).padEnd(22)}${n.link}\n`
  })
  return HEAD + rows.join('')
}

function bsdRow(n: NeighbourSnapshot): string {
  const at = flagsOf(n).includes('C') ? `${formatMac(n.mac ?? 0)} [ether]` : '<incomplete>'
  const perm = n.state === 'permanent' ? ' PERM' : ''
  return `? (${formatIp(n.ip)}) at ${at}${perm} on ${n.link}\n`
}

async function change(
  session: Session,
  view: View,
  o: Options,
  words: readonly string[],
): Promise<Output> {
  const [host = '', mac = ''] = words
  const ip = hostOf(host)
  const { netns } = session
  const near = view.netns.neighbours.find((n) => n.ip === ip && (o.link ?? n.link) === n.link)
  if (o.verb === 'd') {
    if (near === undefined) return failed(255, '', `No ARP entry for ${host}\n`)
    const outcome = await applyOne(session, { do: 'neighbour.del', netns, link: near.link, ip })
    return outcome.ok ? done() : failed(255, `SIOCDARP(priv): ${strerror(outcome.errno)}\n`)
  }
  const address = readMac(mac)
  if (address === undefined) return failed(255, 'arp: invalid hardware address\n')
  const home = view.netns.addresses.find(
    (a) => typeof a.address.address === 'number' && contains(a.address, ip),
  )
  const link = o.link ?? home?.link
  if (link === undefined) return failed(255, `SIOCSARP: ${strerror('ENETUNREACH')}\n`)
  const entry = { netns, link, ip, mac: address, state: 'permanent' } as const
  const outcome = await applyOne(session, { do: 'neighbour.replace', ...entry })
  return outcome.ok ? done() : failed(255, `SIOCSARP: ${strerror(outcome.errno)}\n`)
}
