/** `route` of net-tools 2.10 (and busybox, whose `route -n` prints the same table). */
import { formatIp, tryParseIp } from '../../addr/ip.ts'
import { lengthOfMask, networkOf } from '../../addr/prefix.ts'
import type { OpOf } from '../../fabric/plan.ts'
import type { RouteSnapshot } from '../../fabric/snapshot.ts'
import { ToolExit } from '../arguments.ts'
import { applyOne, guarded, noSuchNetns, takeView } from '../request.ts'
import { type Command, done, failed, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

const USAGE = `Usage: inet_route [-vF] del {-host|-net} Target[/prefix] [gw Gw] [metric M] [[dev] If]
       inet_route [-vF] add {-host|-net} Target[/prefix] [gw Gw] [metric M]
                              [netmask N] [mss Mss] [window W] [irtt I]
                              [mod] [dyn] [reinstate] [[dev] If]
       inet_route [-vF] add {-host|-net} Target[/prefix] [metric M] reject
       inet_route [-FC] flush      NOT supported
`
const MAIN = 254

const notYet = (word: string): never => {
  throw new ToolExit(127, `lanyard: "${word}" of route is not part of this shell yet\n`)
}

export const routeCommand: Command = (session, words) =>
  guarded(async () => {
    let numeric = false
    let extended = false
    const rest = [...words]
    while (rest[0]?.startsWith('-') === true) {
      const flag = rest.shift() as string
      if (!/^-[ne4]+$/.test(flag)) notYet(flag)
      numeric ||= flag.includes('n')
      extended ||= flag.includes('e')
    }
    const [verb, ...more] = rest
    if (verb === undefined) return show(session, numeric, extended)
    if (verb !== 'add' && verb !== 'del') return notYet(verb)
    const op = readRoute(verb, session.netns, more)
    const outcome = await applyOne(session, op)
    if (outcome.ok) return done()
    const request = verb === 'add' ? 'SIOCADDRT' : 'SIOCDELRT'
    return failed(7, `${request}: ${strerror(outcome.errno)}\n`)
  })

async function show(session: Session, numeric: boolean, extended: boolean) {
  const view = await takeView(session, session.netns)
  if (view === undefined) return noSuchNetns(session.netns)
  const tail = extended ? 'MSS Window  irtt Iface' : 'Metric Ref    Use Iface'
  const head = `Destination     Gateway         Genmask         Flags ${extended ? '  ' : ''}${tail}`
  const rows = view.netns.routes
    .filter((r) => r.table === MAIN && typeof r.to.address === 'number' && isShown(r))
    .map((r, at) => ({ r, at }))
    // /proc/net/route: by destination, the longer prefix first, the newer of equals first.
    .toSorted((a, b) => order(a.r, b.r) || a.at - b.at)
    .map(({ r }) => row(r, numeric, extended))
  return done(`Kernel IP routing table\n${head}\n${rows.join('')}`)
}

function isShown(r: RouteSnapshot): boolean {
  return r.type !== 'broadcast' && r.type !== 'multicast'
}

function order(a: RouteSnapshot, b: RouteSnapshot): number {
  return (
    Number(a.to.address) - Number(b.to.address) || b.to.length - a.to.length || a.metric - b.metric
  )
}

function row(r: RouteSnapshot, numeric: boolean, extended: boolean): string {
  const reject = r.type === 'unreachable' || r.type === 'blackhole' || r.type === 'prohibit'
  const to = r.to.length === 0 && !numeric ? 'default' : formatIp(r.to.address)
  const via = reject ? '-' : formatIp(r.via ?? 0)
  const mask = formatIp(r.to.length === 0 ? 0 : (0xffffffff << (32 - r.to.length)) >>> 0)
  const host = r.to.length === 32 ? 'H' : ''
  const flags = reject ? `!${host}` : `U${r.via === undefined ? '' : 'G'}${host}`
  const head = `${to.padEnd(15)} ${via.padEnd(15)} ${mask.padEnd(15)} ${flags.padEnd(5)} `
  const dev = reject ? '-' : (r.link ?? '')
  if (extended) return `${head}${reject ? '    - -          - ' : '    0 0          0 '}${dev}\n`
  const metric = String(r.metric).padEnd(6)
  return `${head}${metric} ${reject ? '-' : '0'}        0 ${dev}\n`
}

type Change = OpOf<'route.add'> | OpOf<'route.del'>

function readRoute(verb: 'add' | 'del', netns: string, words: readonly string[]): Change {
  const at = { n: 0 }
  const next = (): string => words[at.n++] ?? usage()
  let word = next()
  const kind = word === '-net' || word === '-host' ? word : undefined
  if (kind !== undefined) word = next()
  let length = kind === '-host' ? 32 : undefined
  const [text = '', bits] = word.split('/')
  const address = text === 'default' ? 0 : hostOf(text)
  if (text === 'default') length = 0
  if (bits !== undefined) length = Number(bits)
  let via: number | undefined
  let link: string | undefined
  let metric: number | undefined
  let reject = false
  while (at.n < words.length) {
    word = next()
    if (word === 'gw' || word === 'gateway') via = hostOf(next())
    else if (word === 'netmask') length = lengthOfMask(hostOf(next())) ?? usage()
    else if (word === 'metric') metric = Number(next())
    else if (word === 'dev' || word === 'device') link = next()
    else if (word === 'reject') reject = true
    else if (/^(mss|mtu|window|irtt|mod|dyn|reinstate)$/.test(word)) notYet(word)
    else link = word
  }
  if (length === undefined && kind === '-net') length = classOf(address)
  const to = { address, length: length ?? 32 }
  if (to.length < 32 && networkOf(to) !== address) {
    const what = bits === undefined && kind !== undefined ? 'netmask' : 'netmask'
    throw new ToolExit(3, `route: ${what} doesn't match route address\n${USAGE}`)
  }
  return {
    do: verb === 'add' ? 'route.add' : 'route.del',
    netns,
    to,
    ...(reject ? { type: 'unreachable' as const } : {}),
    ...(via === undefined ? {} : { via }),
    ...(link === undefined ? {} : { link }),
    ...(metric === undefined ? {} : { metric }),
  }
}

function classOf(address: number): number {
  const first = address >>> 24
  return first < 128 ? 8 : first < 192 ? 16 : 24
}

function hostOf(text: string): number {
  const ip = tryParseIp(text)
  if (typeof ip === 'number') return ip
  const why = /^[\d.]+$/.test(text) ? 'Unknown host' : 'Host name lookup failure'
  throw new ToolExit(6, `${text}: ${why}\n`)
}

function usage(): never {
  throw new ToolExit(3, USAGE)
}
