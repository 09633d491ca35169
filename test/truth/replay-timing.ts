/** arp-timing.json: which ARP, ND and echo frames pass a cable, and when. */
import { decodeFrame } from '../../src/wire/codec.ts'
import { formatMac } from '../../src/addr/mac.ts'
import { formatIp } from '../../src/addr/ip.ts'
import { printFrame } from '../../src/wire/print.ts'
import { wheelTime } from '../../src/sim/ip/wheel.ts'
import type { Frame } from '../../src/wire/frame.ts'
import type { Kernel, Row, TruthFile } from './rows.ts'
import { frameSentences } from './sentences.ts'
import { buildTopology } from './topologies.ts'
import type { Place, Places } from './world.ts'

interface TimedFrame {
  readonly t: number
  readonly src: string
  readonly dst: string
  readonly what: string
}

interface TimingRow {
  readonly title: string
  readonly cmd: string
  readonly rc: number
  readonly out: string
  readonly frames: readonly TimedFrame[]
  readonly kernel: Kernel
}

/** What was done before a row, by its title; rows follow one another on the same two hosts. */
const BEFORE: readonly (readonly [RegExp, readonly string[]])[] = [
  [/arp_notify=1: link up/, ['ip netns exec krna sysctl -qw net.ipv4.conf.krne0.arp_notify=1']],
  [/silent address: 3 broadcasts/, ['ip netns exec krna sysctl -qw net.ipv4.conf.krne0.arp_notify=0', 'ip -n krna link set krne0 address 02:00:00:00:00:0a']],
  [/a good ping/, ['ip -n krna neigh flush all', 'ip -n krnb neigh flush all']],
  [/peer link down/, ['ip -n krnb link set krne0 down', 'sleep 1']],
  [/STALE entry/, ['ip -n krnb link set krne0 up', 'ip -n krnb addr del 10.9.0.2/24 dev krne0', 'ip -n krnb link set krne0 address 02:00:00:00:00:bb', 'sleep 1']],
  [/does not create a neighbour/, ['ip -n krnb link set krne0 address 02:00:00:00:00:0b', 'ip -n krnb addr add 10.9.0.2/24 dev krne0', 'ip -n krnb neigh flush all']],
  [/updates an existing neighbour/, ['ip -n krnb neigh replace 10.9.0.1 lladdr 02:00:00:00:00:1a dev krne0 nud stale']],
  [/IPv6: link up/, ['ip -n krna link set krne0 down', 'ip netns exec krna sysctl -qw net.ipv6.conf.krne0.disable_ipv6=0']],
  [/creates the sender/, ['ip -n krna neigh flush all', 'ip -n krnb neigh flush all']],
]

/** Coarse clocks: the machine that captured, and the emulated one with 100 jiffies a second. */
const TOLERANCE_S: Readonly<Record<Kernel, number>> = { '6.18': 0.16, 'uml-6.1': 0.3 }

/**
 * Where timers run side by side their order hangs on the phase of the timer wheel: it is read off
 * the capture. A timer of `delayMs` that starts with the row ends after `lastsMs`.
 */
const PHASES: readonly {
  readonly title: RegExp
  readonly delayMs: number
  readonly lastsMs: Readonly<Record<Kernel, number>>
}[] = [
  { title: /repeated cycles/, delayMs: 1000, lastsMs: { '6.18': 1032, 'uml-6.1': 1032 } },
  { title: /STALE entry/, delayMs: 5000, lastsMs: { '6.18': 5140, 'uml-6.1': 5012 } },
]

async function align(place: Place, row: TimingRow): Promise<void> {
  const phase = PHASES.find((p) => p.title.test(row.title))
  if (phase === undefined || place.session.fabric.kind !== 'sim') return
  const { clock } = place.session.fabric
  for (let tries = 0; tries < 100; tries++) {
    const now = clock.nowNs()
    const version = row.kernel === '6.18' ? '6.18' : '6.1'
    const lasts = (wheelTime({ version }, now, now + phase.delayMs * 1e6) - now) / 1e6
    if (Math.abs(lasts - phase.lastsMs[row.kernel]) < 6) return
    await place.settle(4)
  }
}

export async function replayTiming(places: Places, file: TruthFile): Promise<Row[]> {
  const rows: Row[] = []
  for (const kernel of ['6.18', 'uml-6.1'] as const) {
    if (!places.speaksFor(kernel)) continue
    const list = (file.data as TimingRow[])
      .map((row, number) => ({ row, number }))
      .filter(({ row }) => row.kernel === kernel)
    const place = await places.open(kernel)
    try {
      await buildTopology(place, 'pair')
      for (const { row, number } of list) rows.push(await one(place, file, number, row))
    } finally {
      await place.close()
    }
  }
  return rows
}

/**
 * The emulated machine counts in jiffies of 10 ms, so its twelfth packet comes just after the last
 * broadcast was given up, and begins anew; a packet a few ms earlier would not.
 */
function untilGivenUp({ kernel, title, frames }: TimingRow): readonly TimedFrame[] {
  if (kernel !== 'uml-6.1' || !title.startsWith('STALE entry')) return frames
  const broadcasts = frames.flatMap((f, n) => (f.dst === 'ff:ff:ff:ff:ff:ff' ? [n] : []))
  return frames.slice(0, (broadcasts[2] ?? frames.length) + 1)
}

async function one(
  place: Place,
  file: TruthFile,
  number: number,
  measured: TimingRow,
): Promise<Row> {
  const row = { ...measured, frames: untilGivenUp(measured) }
  const base = {
    file: file.name,
    number,
    aspect: 'frame' as const,
    kernel: row.kernel,
    what: `${row.title}: ${row.cmd}`,
  }
  for (const [title, lines] of BEFORE) {
    if (!title.test(row.title)) continue
    for (const line of lines) await place.run(line)
  }
  if (/IPv6/.test(row.title)) return { ...base, ...(await anyOrder(place, row)) }
  await align(place, row)
  const { fabric } = place.session
  const seen: TimedFrame[] = []
  const start = fabric.clock.nowNs()
  const port = await fabric.openPort('krnb', 'krne0', (captured) => {
    const frame = decodeFrame(captured.bytes)
    if (frame === undefined) return
    const what = sentence(frame)
    if (what === undefined) return
    const t = (captured.timeNs - start) / 1e9
    seen.push({ t, src: formatMac(frame.src), dst: formatMac(frame.dst), what })
  })
  await place.run(row.cmd)
  const last = row.frames.at(-1)?.t ?? 0
  const rest = last + 1 - (fabric.clock.nowNs() - start) / 1e9
  if (rest > 0) await place.settle(rest * 1000)
  // A busy machine is late with carriers and what hangs on them.
  for (let n = 0; n < 20 && fabric.kind === 'kernel' && seen.length < row.frames.length; n++)
    await place.settle(100)
  port.close()
  if (fabric.kind === 'kernel' && PHASES.some((p) => p.title.test(row.title))) {
    return { ...base, verdict: 'not-run', why: 'two timers a few ms apart decide the order' }
  }
  const expected = row.frames.map(line).join('; ')
  const got = seen.slice(0, Math.max(row.frames.length, 1)).map(line).join('; ')
  const first = row.frames[0]?.t ?? 0
  const offset = seen[0]?.t ?? 0
  const timely = row.frames.every(
    (f, n) => Math.abs(f.t - first - ((seen[n]?.t ?? 0) - offset)) < TOLERANCE_S[row.kernel],
  )
  const words = (list: readonly TimedFrame[]) =>
    list.map((f) => `${f.src} ${f.dst} ${f.what.replace(/id \d+/, 'id N')}`).join('; ')
  const same = words(row.frames) === words(seen.slice(0, Math.max(row.frames.length, 1)))
  return { ...base, verdict: same && timely ? 'agree' : 'differ', expected, got }
}

/** Where a child comes up behind a parent of its own; the capture is at the cable's other end. */
const CHILD: readonly string[] = [
  'ip netns add krnh',
  'ip netns add krnc',
  'ip netns add krnw',
  'ip -n krnh link add krnpar type veth peer name krnwire netns krnw',
  'ip netns exec krnw sysctl -qw net.ipv6.conf.krnwire.disable_ipv6=1',
  'ip -n krnw link set krnwire up',
  'ip -n krnh link set krnpar up',
]

/**
 * The kernel draws the times of IPv6's reports and solicitations at random, and with them their
 * order: compared is what is sent at all. Routers are looked for once more 4 s and 8 s after a link
 * came up, which falls into this row or the next.
 */
async function anyOrder(
  place: Place,
  row: TimingRow,
): Promise<Pick<Row, 'verdict' | 'expected' | 'got'>> {
  const isChild = row.title.includes('macvlan child')
  if (isChild) for (const command of CHILD) await place.run(command)
  const at = isChild ? { netns: 'krnw', link: 'krnwire' } : { netns: 'krnb', link: 'krne0' }
  const seen = await frameSentences(place, at, async () => {
    for (const command of row.cmd.split('; ')) await place.run(command)
    await place.settle(((row.frames.at(-1)?.t ?? 0) + 1) * 1000)
  })
  const isOf = (line: string) =>
    row.title.includes('link up') || isChild || !line.includes('router solicitation')
  const ours = row.frames.filter((f) => !isChild || f.src === CHILD_MAC).map((f) => f.what)
  const kinds = (lines: readonly string[]) => [...new Set(lines.filter(isOf))].sort().join('; ')
  const expected = kinds(ours)
  const parent = isChild ? await linkLocalOf(place) : undefined
  const got = kinds(
    seen
      .filter((line) => line.startsWith('IP6 ') && (parent === undefined || !line.includes(parent)))
      .map((line) => line.slice('IP6 '.length)),
  )
  return { verdict: expected === got ? 'agree' : 'differ', expected, got }
}

const CHILD_MAC = '02:00:00:00:01:01'

/** The parent's own address, by which its frames are known. */
async function linkLocalOf(place: Place): Promise<string | undefined> {
  const { stdout } = await place.run('ip -n krnh -6 addr show dev krnpar')
  return /inet6 (fe80:\S+)\//.exec(stdout)?.[1]
}

const line = (f: TimedFrame) => `${f.t.toFixed(2)} ${f.src} > ${f.dst} ${f.what}`

/** tcpdump's sentence for ARP and echo; others are not compared here. */
function sentence(frame: Frame): string | undefined {
  const p = frame.packet
  if (p.kind === 'arp') {
    if (p.operation === 2) {
      return `Reply ${formatIp(p.senderIp)} is-at ${formatMac(p.senderMac)}, length 28`
    }
    const target = p.targetMac === 0 ? '' : ` (${formatMac(p.targetMac)})`
    return `Request who-has ${formatIp(p.targetIp)}${target} tell ${formatIp(p.senderIp)}, length 28`
  }
  if (p.kind === 'ip6') {
    const said = printFrame(frame).replace('IP6 ', '')
    return said.includes('neighbor solicitation, who has fd00::77') ? said : undefined
  }
  if (p.kind !== 'ip4' || p.payload.kind !== 'icmp') return undefined
  const { type, id, sequence, dataLength } = p.payload
  if (type !== 0 && type !== 8) return undefined
  const kind = type === 8 ? 'request' : 'reply'
  return (
    `${formatIp(p.src)} > ${formatIp(p.dst)}: ICMP echo ${kind}, id ${id}, seq ${sequence}, ` +
    `length ${dataLength + 8}`
  )
}
