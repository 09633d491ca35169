/** `ifconfig` of net-tools 2.10, and busybox's, which prints as net-tools did before 2.0. */
import { formatIp, type Ip, tryParseIp } from '../../addr/ip.ts'
import { formatMac } from '../../addr/mac.ts'
import { broadcastOf, lengthOfMask } from '../../addr/prefix.ts'
import type { LinkSet, Op } from '../../fabric/plan.ts'
import type { AddressSnapshot, LinkCounters, LinkSnapshot } from '../../fabric/snapshot.ts'
import { readMac, ToolExit } from '../arguments.ts'
import { applyOne, guarded, noSuchNetns, takeView, type View } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

const notYet = (word: string): never => {
  throw new ToolExit(127, `lanyard: "${word}" of ifconfig is not part of this shell yet\n`)
}

export const ifconfigCommand: Command = (session, words) => ifconfig(session, words, false)
export const busyboxIfconfig: Command = (session, words) => ifconfig(session, words, true)

function ifconfig(session: Session, words: readonly string[], old: boolean): Promise<Output> {
  return guarded(async () => {
    const view = await takeView(session, session.netns, true)
    if (view === undefined) return noSuchNetns(session.netns)
    const flags = words.filter((w) => /^-[asv]+$/.test(w))
    const rest = words.filter((w) => !flags.includes(w))
    const unknown = flags.find((f) => f !== '-a')
    if (unknown !== undefined) notYet(unknown)
    const [name, ...settings] = rest
    if (name?.startsWith('-') === true && !old) {
      const help = "ifconfig: `--help' gives usage information.\n"
      return failed(1, `ifconfig: option \`${name}' not recognised.\n${help}`)
    }
    if (name === undefined) return done(showAll(view, flags.length > 0, old))
    if (settings.length > 0) return configure(session, view, name, settings, old)
    const link = view.netns.links.find((l) => l.name === name)
    if (link !== undefined) return done(show(view, link, old))
    return old
      ? failed(1, `ifconfig: ${name}: error fetching interface information: Device not found\n`)
      : failed(1, `${name}: error fetching interface information: Device not found\n`)
  })
}

/** By name, as /proc/net/dev is read into a sorted list; those that are up only, or all of them. */
function showAll(view: View, all: boolean, old: boolean): string {
  return view.netns.links
    .filter((l) => all || l.up)
    .toSorted((a, b) => compareNames(a.name, b.name))
    .map((l) => show(view, l, old))
    .join('')
}

/** nstrcmp(): numbers in names by their value. */
function compareNames(a: string, b: string): number {
  const split = (name: string) => /^(.*?)(\d*)$/.exec(name)?.slice(1) ?? [name, '']
  const [headA = '', tailA = ''] = split(a)
  const [headB = '', tailB = ''] = split(b)
  if (headA !== headB) return headA < headB ? -1 : 1
  return Number(tailA) - Number(tailB)
}

const FLAGS: readonly (readonly [number, string, (l: LinkSnapshot) => boolean])[] = [
  [0x1, 'UP', (l) => l.up],
  [0x2, 'BROADCAST', (l) => l.kind !== 'loopback' && l.kind !== 'tun'],
  [0x8, 'LOOPBACK', (l) => l.kind === 'loopback'],
  [0x10, 'POINTOPOINT', (l) => l.kind === 'tun'],
  [0x40, 'RUNNING', (l) => l.up && l.carrier],
  [0x80, 'NOARP', (l) => !l.arp],
  [0x100, 'PROMISC', (l) => l.promisc],
  [0x200, 'ALLMULTI', (l) => l.allmulticast],
  [0x1000, 'MULTICAST', (l) => l.kind !== 'loopback' && l.kind !== 'dummy'],
]

function show(view: View, l: LinkSnapshot, old: boolean): string {
  const mine = view.netns.addresses.filter((a) => a.link === l.name)
  // SIOCGIFADDR: the first address of the name itself.
  const four = mine.find((a) => typeof a.address.address === 'number')
  const six = mine.filter((a) => typeof a.address.address === 'bigint')
  const set = FLAGS.filter(([, , has]) => has(l))
  return old ? oldForm(l, four, six, set) : newForm(l, four, six, set)
}

const GAP = '        '
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

const NOTHING: LinkCounters = {
  rxPackets: 0,
  rxBytes: 0,
  rxDropped: 0,
  multicast: 0,
  txPackets: 0,
  txBytes: 0,
  txDropped: 0,
}

/**
 * `238 (238.0 B)`, `1500 (1.4 KiB)`: cut off, not rounded. Just 1024 are so many bytes to net-tools
 * and one KiB to busybox.
 */
function bytesText(bytes: number, old: boolean): string {
  let value = bytes
  let unit = 0
  while ((old ? value >= 1024 : value > 1024) && unit + 1 < UNITS.length) {
    value /= 1024
    unit++
  }
  return `${bytes} (${(Math.floor(value * 10) / 10).toFixed(1)} ${UNITS[unit]})`
}

function countersText(l: LinkSnapshot): string {
  const c = l.counters ?? NOTHING
  const bytes = (n: number) => bytesText(n, false)
  return `${GAP}RX packets ${c.rxPackets}  bytes ${bytes(c.rxBytes)}
${GAP}RX errors 0  dropped ${c.rxDropped}  overruns 0  frame 0
${GAP}TX packets ${c.txPackets}  bytes ${bytes(c.txBytes)}
${GAP}TX errors 0  dropped ${c.txDropped} overruns 0  carrier 0  collisions 0
`
}

function newForm(
  l: LinkSnapshot,
  four: AddressSnapshot | undefined,
  six: readonly AddressSnapshot[],
  set: typeof FLAGS,
): string {
  const number = set.reduce((sum, [bit]) => sum + bit, 0)
  let out = `${l.name}: flags=${number}<${set.map(([, word]) => word).join(',')}>  mtu ${l.mtu}\n`
  if (four !== undefined) {
    out += `${GAP}inet ${formatIp(four.address.address)}  netmask ${maskText(four)}`
    out += l.kind === 'loopback' ? '\n' : `  broadcast ${broadcastText(four)}\n`
  }
  for (const a of six) {
    const [id, word] = scopeOf(a)
    out += `${GAP}inet6 ${formatIp(a.address.address)}  prefixlen ${a.address.length}  `
    out += `scopeid 0x${id.toString(16)}<${word.toLowerCase()}>\n`
  }
  const queue = `txqueuelen ${l.txQueueLength}`
  out +=
    l.kind === 'loopback'
      ? `${GAP}loop  ${queue}  (Local Loopback)\n`
      : `${GAP}ether ${formatMac(l.address)}  ${queue}  (Ethernet)\n`
  return `${out}${countersText(l)}\n`
}

const WIDE = '          '

function oldForm(
  l: LinkSnapshot,
  four: AddressSnapshot | undefined,
  six: readonly AddressSnapshot[],
  set: typeof FLAGS,
): string {
  const kind =
    l.kind === 'loopback'
      ? 'Local Loopback'
      : `Ethernet  HWaddr ${formatMac(l.address).toUpperCase()}`
  let out = `${l.name.padEnd(9)} Link encap:${kind}  \n`
  if (four !== undefined) {
    out += `${WIDE}inet addr:${formatIp(four.address.address)}`
    if (l.kind !== 'loopback') out += `  Bcast:${broadcastText(four)}`
    out += `  Mask:${maskText(four)}\n`
  }
  for (const a of six) {
    out += `${WIDE}inet6 addr: ${formatIp(a.address.address)}/${a.address.length} `
    out += `Scope:${scopeOf(a)[1]}\n`
  }
  out += `${WIDE}${set.map(([, word]) => word).join(' ')}  MTU:${l.mtu}  Metric:1\n`
  const c = l.counters ?? NOTHING
  const [rx, tx] = [bytesText(c.rxBytes, true), bytesText(c.txBytes, true)]
  out += `${WIDE}RX packets:${c.rxPackets} errors:0 dropped:${c.rxDropped} overruns:0 frame:0\n`
  out += `${WIDE}TX packets:${c.txPackets} errors:0 dropped:${c.txDropped} overruns:0 carrier:0\n`
  out += `${WIDE}collisions:0 txqueuelen:${l.txQueueLength} \n`
  return `${out}${WIDE}RX bytes:${rx}  TX bytes:${tx}\n\n`
}

function scopeOf(a: AddressSnapshot): [number, string] {
  if (a.scope === 'link') return [0x20, 'Link']
  if (a.scope === 'host') return [0x10, 'Host']
  return a.scope === 'site' ? [0x40, 'Site'] : [0, 'Global']
}

function maskText(a: AddressSnapshot): string {
  return formatIp(maskOf(a.address.length))
}

function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
}

/** SIOCGIFBRDADDR: what is set, which `ip address add` without `brd` leaves at 0. */
function broadcastText(a: AddressSnapshot): string {
  return formatIp(a.broadcast ?? 0)
}

async function configure(
  session: Session,
  view: View,
  name: string,
  settings: readonly string[],
  old: boolean,
): Promise<Output> {
  if (name.includes(':')) notYet(`alias ${name}`)
  const plan = readSettings(session.netns, view, name, settings, old)
  if (!view.netns.links.some((l) => l.name === name)) {
    const missing = strerror('ENODEV')
    return old
      ? failed(1, `ifconfig: SIOCGIFFLAGS: ${missing}\n`)
      : failed(255, `${name}: ERROR while getting interface flags: ${missing}\n`)
  }
  for (const { op, ioctl } of plan) {
    const outcome = await applyOne(session, op)
    if (outcome.ok) continue
    const prefix = old ? 'ifconfig: ' : ''
    return failed(1, `${prefix}${ioctl}: ${strerror(outcome.errno)}\n`)
  }
  return done()
}

interface Step {
  readonly op: Op
  /** The request that is told when the kernel refuses. */
  readonly ioctl: string
}

/** Reads what is to be set, in its order; an address brings the link up. */
function readSettings(
  netns: string,
  view: View,
  name: string,
  words: readonly string[],
  old: boolean,
): Step[] {
  const steps: Step[] = []
  const set = (change: Partial<LinkSet>, ioctl: string): void => {
    steps.push({ op: { do: 'link.set', netns, name, ...change }, ioctl })
  }
  let four: { ip: number; length: number; broadcast: number | undefined } | undefined
  const current = view.netns.addresses.find(
    (a) => a.link === name && typeof a.address.address === 'number',
  )
  let up: boolean | undefined
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const next = (): string => words[++at] ?? usage(old)
    const minus = word.startsWith('-')
    if (word === 'up') up = true
    else if (word === 'down') up = false
    else if (/^-?promisc$/.test(word)) set({ promisc: !minus }, 'SIOCSIFFLAGS')
    else if (/^-?allmulti$/.test(word)) set({ allmulticast: !minus }, 'SIOCSIFFLAGS')
    else if (/^-?arp$/.test(word)) set({ arp: !minus }, 'SIOCSIFFLAGS')
    else if (word === 'mtu') set({ mtu: Number(next()) }, 'SIOCSIFMTU')
    else if (word === 'txqueuelen') set({ txQueueLength: Number(next()) }, 'SIOCSIFTXQLEN')
    else if (word === 'hw') {
      next()
      const mac = readMac(words[++at] ?? '')
      if (mac === undefined) usage(old)
      else set({ address: mac }, 'SIOCSIFHWADDR')
    } else if (word === 'netmask' || word === 'broadcast') {
      const ip = hostOf(next(), old)
      four ??= existing(current)
      if (four === undefined) notYet(`${word} without an address`)
      else if (word === 'broadcast') four.broadcast = ip
      else four.length = lengthOfMask(ip) ?? usage(old)
    } else if (word === 'add' || word === 'del') steps.push(sixStep(netns, name, word, next(), old))
    else if (/^(metric|media|mem_start|io_addr|irq|pointopoint|tunnel|dstaddr)$/.test(word)) {
      notYet(word)
    } else if (word.includes(':')) usage(old)
    else four = addressOf(word, old)
  }
  if (four !== undefined) steps.push(...addressSteps(netns, name, four, current))
  const wanted = up ?? (four !== undefined && four.ip !== 0 ? true : undefined)
  if (wanted !== undefined) set({ up: wanted }, 'SIOCSIFFLAGS')
  return steps
}

function existing(current: AddressSnapshot | undefined) {
  const ip = current?.address.address
  if (current === undefined || typeof ip !== 'number') return undefined
  return { ip, length: current.address.length, broadcast: undefined }
}

function sixStep(netns: string, link: string, verb: string, word: string, old: boolean): Step {
  const [text = '', bits] = word.split('/')
  const address = tryParseIp(text)
  if (typeof address !== 'bigint') return notYet(`${verb} ${word}`)
  const length = bits === undefined ? 128 : Number(bits)
  if (!(length <= 128)) return usage(old)
  const op: Op = {
    do: verb === 'add' ? 'address.add' : 'address.del',
    netns,
    link,
    address: { address, length },
  }
  return { op, ioctl: verb === 'add' ? 'SIOCSIFADDR' : 'SIOCDIFADDR' }
}

/** A.B.C.D or A.B.C.D/N; the mask of an address alone is that of its class. */
function addressOf(word: string, old: boolean) {
  const [text = '', bits] = word.split('/')
  const ip = hostOf(text, old)
  const first = ip >>> 24
  const classful = first < 128 ? 8 : first < 192 ? 16 : 24
  return { ip, length: bits === undefined ? classful : Number(bits), broadcast: undefined }
}

function hostOf(text: string, old: boolean): number {
  const ip: Ip | undefined = text === 'default' ? 0 : tryParseIp(text)
  if (typeof ip === 'number') return ip
  const why = /^[\d.]+$/.test(text) ? 'Unknown host' : 'Host name lookup failure'
  if (old) throw new ToolExit(1, `ifconfig: bad address '${text}'\n`)
  throw new ToolExit(1, `${text}: ${why}\nifconfig: \`--help' gives usage information.\n`)
}

/** SIOCSIFADDR puts the new address in the place of the one the name had; 0.0.0.0 only removes. */
function addressSteps(
  netns: string,
  link: string,
  four: { readonly ip: number; readonly length: number; readonly broadcast: number | undefined },
  current: AddressSnapshot | undefined,
): Step[] {
  const address = { address: four.ip, length: four.length }
  const broadcast =
    four.broadcast ?? (four.length < 31 ? (broadcastOf(address) as number) : undefined)
  const ioctl = 'SIOCSIFADDR'
  const remove: Step[] =
    current === undefined
      ? []
      : [{ op: { do: 'address.del', netns, link, address: current.address }, ioctl }]
  if (four.ip === 0) return remove
  const add = { do: 'address.add', netns, link, address } as const
  return [...remove, { op: broadcast === undefined ? add : { ...add, broadcast }, ioctl }]
}

function usage(old: boolean): never {
  if (old) throw new ToolExit(1, 'BusyBox: ifconfig [-a] [IFACE [ADDRESS] [OPTIONS]]\n')
  throw new ToolExit(1, "ifconfig: `--help' gives usage information.\n")
}
