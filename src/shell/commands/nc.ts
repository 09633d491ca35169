/** `nc -z` of netcat-openbsd and `nc` of busybox: whether somebody answers at a port. */
import type { ProbeResult } from '../../fabric/fabric.ts'
import { ToolExit } from '../arguments.ts'
import { guarded } from '../request.ts'
import { type Command, done, failed, findHost, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'
import { formatIp, type Ip } from '../../addr/ip.ts'

/** /etc/services, as far as labs go. */
const SERVICES: Readonly<Record<string, string>> = {
  'tcp/21': 'ftp',
  'tcp/22': 'ssh',
  'tcp/25': 'smtp',
  'tcp/53': 'domain',
  'udp/53': 'domain',
  'udp/67': 'bootps',
  'tcp/80': 'http',
  'tcp/443': 'https',
  'tcp/8080': 'http-alt',
}

interface Options {
  zero: boolean
  verbose: boolean
  numeric: boolean
  udp: boolean
  waitMs: number | undefined
}

export const ncCommand: Command = (session, words) =>
  guarded(async () => {
    const o: Options = {
      zero: false,
      verbose: false,
      numeric: false,
      udp: false,
      waitMs: undefined,
    }
    const rest: string[] = []
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string
      if (!word.startsWith('-')) rest.push(word)
      else if (/^-[zvnu46]*w/.test(word)) {
        readFlags(word.slice(1, word.indexOf('w')), o)
        const text = word.slice(word.indexOf('w') + 1)
        o.waitMs = Number(text === '' ? words[++at] : text) * 1000
      } else readFlags(word.slice(1), o)
    }
    const [host, ports] = rest
    if (host === undefined || ports === undefined)
      return failed(1, 'usage: nc -z [-nuv] [-w timeout] destination port\n')
    if (!o.zero) notYet('without -z')
    return scan(session, host, ports, o)
  })

/** Connects; what would be sent and heard then is not played. */
export const busyboxNc: Command = (session, words, stdin) =>
  guarded(async () => {
    // Alpine's has it, Debian's has not.
    if (words.some((word) => /^-[vnu]*z/.test(word))) return ncCommand(session, words, stdin)
    let timeoutMs = 130_000
    const rest: string[] = []
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string
      if (!word.startsWith('-')) rest.push(word)
      else if (word.startsWith('-w')) {
        const text = word.length > 2 ? word.slice(2) : (words[++at] ?? '')
        if (!/^\d+$/.test(text)) return failed(1, `nc: invalid number '${text}'\n`)
        timeoutMs = Number(text) * 1000
      } else notYet(word)
    }
    const [host, port] = rest
    if (host === undefined || port === undefined) return failed(1, 'usage: nc [-w SEC] IP PORT\n')
    const to = (await findHost(session, host))?.[0]
    if (to === undefined) return failed(1, `nc: bad address '${host}'\n`)
    const [result] = await session.fabric.probe([
      { protocol: 'tcp', from: session.netns, to, port: Number(port), timeoutMs },
    ])
    if (result?.outcome === 'reply') return done()
    if (result === undefined || result.outcome === 'timeout') return failed(1, 'nc: timed out\n')
    const who = typeof to === 'bigint' ? '' : ` (${formatIp(to)})`
    return failed(1, `nc: can't connect to remote host${who}: ${strerror(errnoOf(result))}\n`)
  })

const notYet = (word: string): never => {
  throw new ToolExit(127, `lanyard: nc ${word} is not part of this shell yet\n`)
}

function readFlags(letters: string, o: Options): void {
  for (const letter of letters) {
    if (letter === 'z') o.zero = true
    else if (letter === 'v') o.verbose = true
    else if (letter === 'n') o.numeric = true
    else if (letter === 'u') o.udp = true
    else if (letter !== '4') notYet(`-${letter}`)
  }
}

async function scan(session: Session, host: string, ports: string, o: Options): Promise<Output> {
  const target = (await findHost(session, host))?.[0]
  if (target === undefined) {
    const why = 'Temporary failure in name resolution'
    return failed(1, `nc: getaddrinfo for host "${host}" port ${ports}: ${why}\n`)
  }
  const [first = 0, last = first] = ports.split('-').map(Number)
  const large = [first, last].find((port) => port > 65_535)
  if (large !== undefined) return failed(1, `nc: port number too large: ${large}\n`)
  if (!(first >= 1 && last >= 1)) return failed(1, `nc: port number invalid: ${ports}\n`)
  let code = 1
  let stderr = ''
  for (let port = first; port <= last; port++) {
    const said = await one(session, target, port, o)
    if (said.startsWith('Connection')) code = 0
    if (o.verbose && said !== '') stderr += `${said}\n`
  }
  return code === 0 ? { ...done(), stderr } : failed(code, stderr)
}

/** What is told of one port. */
async function one(session: Session, to: Ip, port: number, o: Options): Promise<string> {
  const protocol = o.udp ? 'udp' : 'tcp'
  const timeoutMs = o.waitMs ?? 130_000
  const [result] = await session.fabric.probe([
    { protocol, from: session.netns, to, port, timeoutMs },
  ])
  const ip = formatIp(to)
  const service = o.numeric ? '*' : (SERVICES[`${protocol}/${port}`] ?? '*')
  // UDP: nobody's refusal is taken as an answer.
  const heard = result?.outcome === 'reply' || (o.udp && result?.outcome === 'timeout')
  if (heard) return `Connection to ${ip} ${port} port [${protocol}/${service}] succeeded!`
  if (o.udp) return ''
  const head = `nc: connect to ${ip} port ${port} (tcp)`
  if (result?.outcome === 'timeout') {
    const why = o.waitMs === undefined ? 'Connection timed out' : 'Operation now in progress'
    return o.waitMs === undefined ? `${head} failed: ${why}` : `${head} timed out: ${why}`
  }
  return `${head} failed: ${strerror(errnoOf(result))}`
}

/** What connect() says. */
function errnoOf(result: ProbeResult | undefined): string {
  if (result?.outcome === 'errno') return result.errno
  const isRefused = result?.outcome === 'icmp-error' && result.code === 3
  return isRefused ? 'ECONNREFUSED' : 'EHOSTUNREACH'
}
