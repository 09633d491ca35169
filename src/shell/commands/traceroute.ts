/** `traceroute` of Debian (2.1.1) and of busybox: UDP to ports nobody listens on, ICMP with -I. */
import { formatIp, type Ip } from '../../addr/ip.ts'
import type { Probe, ProbeResult } from '../../fabric/fabric.ts'
import { ToolExit } from '../arguments.ts'
import { guarded } from '../request.ts'
import { type Command, failed, findHost, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

interface Options {
  host: string
  numeric: boolean
  icmp: boolean
  hops: number
  queries: number
  waitMs: number
  first: number
  link: string | undefined
  busybox: boolean
}

const BASE_PORT = 33_434

export const tracerouteCommand = traceroute(false)
export const busyboxTraceroute = traceroute(true)

function traceroute(busybox: boolean): Command {
  return (session, words) => guarded(() => run(session, words, busybox))
}

async function run(session: Session, words: readonly string[], busybox: boolean): Promise<Output> {
  const o = readOptions(words, busybox)
  const target = (await findHost(session, o.host))?.[0]
  if (target === undefined) {
    if (busybox) return failed(1, `traceroute: bad address '${o.host}'\n`)
    const said = `Cannot handle "host" cmdline arg \`${o.host}' on position 1 (argc ${words.length})`
    return failed(2, `${o.host}: Temporary failure in name resolution\n${said}\n`)
  }
  return trace(session, o, target)
}

const notYet = (word: string): never => {
  throw new ToolExit(127, `lanyard: "${word}" of traceroute is not part of this shell yet\n`)
}

const NUMBERS: Readonly<Record<string, keyof Options>> = {
  '-m': 'hops',
  '-q': 'queries',
  '-w': 'waitMs',
  '-f': 'first',
}

function readOptions(words: readonly string[], busybox: boolean): Options {
  const o: Options = {
    host: '',
    numeric: false,
    icmp: false,
    hops: 30,
    queries: 3,
    waitMs: busybox ? 3000 : 5000,
    first: 1,
    link: undefined,
    busybox,
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const number = NUMBERS[word.slice(0, 2)]
    if (word === '-n') o.numeric = true
    else if (word === '-I') o.icmp = true
    else if (word === '-4') continue
    else if (word === '-i') o.link = words[++at]
    else if (word.startsWith('-') && number !== undefined) {
      const text = word.length > 2 ? word.slice(2) : (words[++at] ?? '')
      const value = Number(text)
      if (text === '' || Number.isNaN(value)) {
        const said = `Cannot handle \`${word.slice(0, 2)}' option with arg \`${text}' (argc ${at + 1})`
        throw new ToolExit(2, `${said}\n`)
      }
      if (number === 'hops' && value > 255)
        throw new ToolExit(2, 'max hops cannot be more than 255\n')
      Object.assign(o, { [number]: number === 'waitMs' ? value * 1000 : value })
    } else if (/^-[6dFTUDPpgslzNrtAeM]/.test(word) || word.startsWith('--')) notYet(word)
    else if (word.startsWith('-')) throw new ToolExit(2, `Bad option \`${word}' (argc ${at + 1})\n`)
    else if (o.host === '') o.host = word
    else notYet(word)
  }
  if (o.host === '') notYet('usage')
  return o
}

async function trace(session: Session, o: Options, target: Ip): Promise<Output> {
  const isIp6 = typeof target === 'bigint'
  const size = o.busybox ? (isIp6 ? 72 : 46) : isIp6 ? 80 : 60
  let stdout = `traceroute to ${o.host} (${formatIp(target)}), ${o.hops} hops max, ${size} byte packets\n`
  for (let ttl = o.first; ttl <= o.hops; ttl++) {
    const results: ProbeResult[] = []
    for (let n = 0; n < o.queries; n++) results.push(await ask(session, o, target, ttl, n))
    const [first] = results
    if (ttl === o.first && first?.outcome === 'errno') {
      const why = strerror(first.errno)
      if (!o.busybox) return { code: 1, stdout, stderr: `connect: ${why}\n` }
      const who = isIp6 ? '' : ` (${formatIp(target)})`
      return failed(1, `traceroute: can't connect to remote host${who}: ${why}\n`)
    }
    stdout += `${String(ttl).padStart(2)} ${await row(session, o, results)}\n`
    if (results.some((r) => isEnd(r, target))) break
  }
  return { code: 0, stdout, stderr: '' }
}

/** A port's refusal is the answer of the target. */
async function ask(
  session: Session,
  o: Options,
  target: Ip,
  ttl: number,
  n: number,
): Promise<ProbeResult> {
  const { clock } = session.fabric
  const begun = clock.nowNs()
  const [result] = await session.fabric.probe([probeOf(session, o, target, ttl, n)])
  if (result === undefined) return { outcome: 'timeout' }
  if (result.outcome !== 'errno' || result.errno !== 'ECONNREFUSED') return result
  const rttNs = clock.nowNs() - begun
  return { outcome: 'reply', ttl: undefined, rttNs, responder: target }
}

function probeOf(session: Session, o: Options, to: Ip, ttl: number, n: number): Probe {
  const base = {
    from: session.netns,
    to,
    ttl,
    timeoutMs: o.waitMs,
    ...(o.link === undefined ? {} : { link: o.link }),
  }
  const count = (ttl - o.first) * o.queries + n
  return o.icmp
    ? { ...base, protocol: 'icmp', sequence: count + 1, size: 32 }
    : { ...base, protocol: 'udp', port: BASE_PORT + count }
}

async function row(session: Session, o: Options, results: readonly ProbeResult[]): Promise<string> {
  let out = ''
  let before: Ip | undefined
  for (const result of results) {
    if (result.outcome !== 'reply' && result.outcome !== 'icmp-error') {
      out += o.busybox && out !== '' ? '  *' : ' *'
      continue
    }
    if (result.responder !== before) out += ` ${await nameOf(session, o, result.responder)}`
    before = result.responder
    out += `  ${(result.rttNs / 1e6).toFixed(3)} ms${markOf(result)}`
  }
  return out
}

async function nameOf(session: Session, o: Options, ip: Ip): Promise<string> {
  const text = formatIp(ip)
  if (o.numeric) return ` ${text}`.slice(1)
  return `${(await session.machine?.nameOf(ip)) ?? text} (${text})`
}

/** What an unreachable message says beside the time; the port's own is the end that is wanted. */
function markOf(result: ProbeResult): string {
  if (result.outcome !== 'icmp-error') return ''
  if (typeof result.responder === 'bigint') return ''
  if (result.type !== 3 || result.code === 3) return ''
  const mark = ['!N', '!H', '!P', '', `!F-${result.mtu ?? 0}`, '!S'][result.code]
  return ` ${mark ?? (result.code === 13 ? '!X' : `!<${result.code}>`)}`
}

/** The target itself, or somebody who says that there is no way to it. */
function isEnd(result: ProbeResult, target: Ip): boolean {
  if (result.outcome === 'reply') return true
  if (result.outcome !== 'icmp-error') return false
  return result.responder === target || result.type === (typeof target === 'bigint' ? 1 : 3)
}
