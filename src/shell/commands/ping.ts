/** `ping` of iputils 20221126: its lines, its exit codes, its moments. */
import { formatIp, type Ip, isLinkLocalIp } from '../../addr/ip.ts'
import type { ProbeResult } from '../../fabric/fabric.ts'
import { contains } from '../../addr/prefix.ts'
import { guarded, takeView, type View } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'
import { allRoutes } from '../ip/implied.ts'
import { icmpErrorText } from './ping-errors.ts'
import { type PingOptions, readHost, readPingOptions } from './ping-options.ts'
import {
  connectErrno,
  rangeOf,
  refusedErrno,
  type PingEvent,
  type PingPlan,
  type PingRun,
  runPing,
} from './ping-run.ts'

const DENIED =
  'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n'

export const pingCommand: Command = (session, words) => guarded(() => ping(session, words, false))
export const ping6Command: Command = (session, words) => guarded(() => ping(session, words, true))

interface Target {
  readonly options: PingOptions
  readonly ip: Ip
  readonly zone: string | undefined
  readonly link: string | undefined
  readonly source: Ip | undefined
}

async function ping(session: Session, words: readonly string[], six: boolean): Promise<Output> {
  const options = readPingOptions(words, six)
  const host = await hostOf(session, options.host, six)
  if (host === undefined) {
    return failed(2, `ping: ${options.host}: Temporary failure in name resolution\n`)
  }
  if (options.family !== undefined && options.family !== (typeof host.ip === 'bigint' ? 6 : 4)) {
    return failed(2, `ping: ${options.host}: Address family for hostname not supported\n`)
  }
  const view = await takeView(session, session.netns)
  const bound = options.bind === undefined ? undefined : readHost(options.bind)
  const link = bound === undefined ? (options.bind ?? host.zone) : undefined
  if (link !== undefined && view?.netns.links.some((l) => l.name === link) === false) {
    return failed(2, `ping: SO_BINDTODEVICE ${link}: No such device\n`)
  }
  const target: Target = { options, ip: host.ip, zone: host.zone, link, source: bound?.ip }
  if (view !== undefined && !options.broadcast && isBroadcast(view, host.ip)) {
    return failed(2, DENIED)
  }
  const plan = planOf(target)
  const run = await runPing(session, plan)
  const errno = connectErrno(run)
  if (errno !== undefined) return cannotStart(errno)
  return report(target, run, view)
}

/** An address as written, or that of a name of the lab. */
async function hostOf(
  session: Session,
  text: string,
  six: boolean,
): Promise<ReturnType<typeof readHost>> {
  const written = readHost(text)
  if (written !== undefined) return written
  const all = (await session.machine?.lookup(text)) ?? []
  const ip = all.find((a) => !six || typeof a === 'bigint')
  return ip === undefined ? undefined : { ip, zone: undefined }
}

function planOf(t: Target): PingPlan {
  const o = t.options
  const deadline = o.deadlineMs
  return {
    to: t.ip,
    count: o.count ?? (deadline === undefined ? 4 : Math.ceil(deadline / o.intervalMs)),
    intervalMs: o.intervalMs,
    lingerMs: o.waitMs ?? 10_000,
    deadlineMs: deadline,
    size: o.size,
    ttl: o.ttl,
    link: t.link,
    source: t.source,
    pmtu: o.pmtu,
    broadcast: o.broadcast,
  }
}

/** connect() to a broadcast address without SO_BROADCAST: EACCES. */
function isBroadcast(view: View, ip: Ip): boolean {
  if (ip === 0xffffffff) return true
  return allRoutes(view.netns).some(
    (r) => r.type === 'broadcast' && contains(r.to, ip) && r.to.length === 32,
  )
}

function cannotStart(errno: string): Output {
  if (errno === 'EACCES') return failed(2, DENIED)
  if (errno === 'EADDRNOTAVAIL') return failed(2, `ping: bind: ${strerror(errno)}\n`)
  return failed(2, `ping: connect: ${strerror(errno)}\n`)
}

function header(t: Target, view: View | undefined): string {
  const { options } = t
  const six = typeof t.ip === 'bigint'
  const address = formatIp(t.ip) + (t.zone === undefined ? '' : `%${t.zone}`)
  const total = `${options.size}(${options.size + 28})`
  let from = ''
  if (options.bind !== undefined) {
    const source = t.source ?? sourceOn(view, t.link, six)
    from = ` from ${source === undefined ? '0.0.0.0' : formatIp(source)} ${t.link ?? ''}`
    if (t.link !== undefined || six) from += ':'
    else from += ': '.trimEnd()
  }
  const warning = options.broadcast && !six ? 'WARNING: pinging broadcast address\n' : ''
  if (six) return `PING ${options.host}(${address})${from} ${options.size} data bytes\n`
  return `${warning}PING ${options.host} (${address})${from} ${total} bytes of data.\n`
}

function sourceOn(view: View | undefined, link: string | undefined, six: boolean): Ip | undefined {
  const mine = view?.netns.addresses.find(
    (a) => a.link === link && (typeof a.address.address === 'bigint') === six,
  )
  return mine?.address.address
}

interface Tally {
  stdout: string
  stderr: string
  received: number
  errors: number
  pipe: number
  times: number[]
}

function report(t: Target, run: PingRun, view: View | undefined): Output {
  const { sent, timeMs } = run
  const tally: Tally = { stdout: '', stderr: '', received: 0, errors: 0, pipe: 0, times: [] }
  for (const event of run.events) tell(t, event, run, tally)
  const { options } = t
  const warn =
    options.broadcast && typeof t.ip === 'number' ? 'WARNING: pinging broadcast address\n' : ''
  const head = header(t, view).slice(warn.length)
  const loss = sent === 0 ? 0 : Math.floor(((sent - tally.received) * 100) / sent)
  const lossText = `${formatLoss(sent, tally.received, loss)}% packet loss`
  const errors = tally.errors > 0 ? `+${tally.errors} errors, ` : ''
  let stdout = `${head}${tally.stdout}\n--- ${options.host} ping statistics ---\n`
  stdout += `${sent} packets transmitted, ${tally.received} received, ${errors}${lossText}, `
  stdout += `time ${Math.round(timeMs)}ms\n`
  if (tally.received > 0) stdout += rttLine(tally.times)
  if (tally.pipe > 1) stdout += `${tally.received > 0 ? ', ' : ''}pipe ${tally.pipe}`
  return {
    code: tally.received === 0 ? 1 : 0,
    stdout: `${stdout}\n`,
    stderr: warn + tally.stderr,
  }
}

/** The loss as %g prints it: up to six digits. */
function formatLoss(sent: number, received: number, whole: number): string {
  const exact = sent === 0 ? 0 : ((sent - received) * 100) / sent
  return Number.isInteger(exact) ? String(whole) : String(Number(exact.toPrecision(6)))
}

function tell(t: Target, e: PingEvent, run: PingRun, tally: Tally): void {
  const { result } = e
  const quiet = t.options.quiet
  const six = typeof t.ip === 'bigint'
  // acknowledge(): how many packets were on their way when this one was answered (IPv4 errors too).
  const underway = run.sentBy(e.atMs)
  const acknowledge = () => {
    tally.pipe = Math.max(tally.pipe, underway - e.sequence + 1)
  }
  if (result.outcome === 'reply') {
    for (const r of result.redirects ?? []) {
      acknowledge()
      tally.stdout += `From ${formatIp(r.responder)}: icmp_seq=${e.sequence} Redirect Host(New nexthop: ${formatIp(r.gateway)})\n`
    }
    acknowledge()
    tally.received++
    tally.times.push(result.rttNs / 1e6)
    if (!quiet) tally.stdout += replyLine(t, e.sequence, result)
  } else if (result.outcome === 'icmp-error') {
    tally.errors++
    if (!six) acknowledge()
    if (!quiet) {
      const text = icmpErrorText(six ? 6 : 4, result)
      const zone = t.zone !== undefined && isLinkLocalIp(result.responder) ? `%${t.zone}` : ''
      tally.stdout += `From ${formatIp(result.responder)}${zone} icmp_seq=${e.sequence} ${text}\n`
      const { sendErrno } = result
      if (sendErrno !== undefined) tally.stderr += `ping: sendmsg: ${strerror(sendErrno)}\n`
    }
  } else if (result.outcome === 'errno') {
    if (result.errno === 'EMSGSIZE') {
      tally.errors++
      const mtu = result.mtu === undefined ? '' : `, mtu=${result.mtu}`
      tally.stderr += `ping: local error: message too long${mtu}\n`
    } else if (result.errno !== 'EPERM') {
      // pinger(): without an error message to read it says nothing of a packet a filter dropped.
      tally.stderr += `ping: sendmsg: ${strerror(result.errno)}\n`
    }
  }
}

type Reply = Extract<ProbeResult, { outcome: 'reply' }>

function replyLine(t: Target, sequence: number, r: Reply): string {
  const zone =
    typeof r.responder === 'bigint' && isLinkLocalIp(r.responder) && t.link !== undefined
      ? `%${t.link}`
      : ''
  const ttl = r.ttl === undefined ? '' : ` ttl=${r.ttl}`
  return (
    `${t.options.size + 8} bytes from ${formatIp(r.responder)}${zone}: icmp_seq=${sequence}${ttl} ` +
    `time=${formatTime(r.rttNs)} ms\n`
  )
}

/** gather_statistics(): fewer digits the longer it took. */
export function formatTime(rttNs: number): string {
  const us = Math.floor(rttNs / 1000)
  if (us >= 100_000 - 50) return String(Math.round(us / 1000))
  if (us >= 10_000 - 5) return (us / 1000).toFixed(1)
  return us >= 1000 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(3)
}

function rttLine(times: readonly number[]): string {
  const [least, mean, most] = rangeOf(times)
  const square = times.reduce((a, b) => a + b * b, 0) / times.length
  const deviation = Math.sqrt(Math.max(0, square - mean * mean))
  const figures = [least, mean, most, deviation]
  return `rtt min/avg/max/mdev = ${figures.map((f) => f.toFixed(3)).join('/')} ms`
}

/** What `busybox ping` prints instead. */
export const busyboxPing: Command = (session, words) =>
  guarded(() => busybox(session, words, false))
export const busyboxPing6: Command = (session, words) =>
  guarded(() => busybox(session, words, true))

async function busybox(session: Session, words: readonly string[], six: boolean): Promise<Output> {
  const options = readPingOptions(words, six)
  const host = await hostOf(session, options.host, six)
  if (host === undefined) return failed(1, `ping: bad address '${options.host}'\n`)
  const bound = options.bind === undefined ? undefined : readHost(options.bind)
  const link = bound === undefined ? (options.bind ?? host.zone) : undefined
  const view = await takeView(session, session.netns)
  const name = typeof host.ip === 'bigint' ? 'ping6' : 'ping'
  if (link !== undefined && view?.netns.links.some((l) => l.name === link) === false) {
    return failed(1, `${name}: bad address '${link}'\n`)
  }
  const target: Target = { options, ip: host.ip, zone: host.zone, link, source: bound?.ip }
  const run = await runPing(session, { ...planOf(target), broadcast: true })
  const from = bound === undefined ? '' : ` from ${formatIp(bound.ip)}`
  const head = `PING ${options.host} (${formatIp(host.ip)})${from}: ${options.size} data bytes\n`
  const errno = connectErrno(run) ?? refusedErrno(run)
  if (errno === 'EADDRNOTAVAIL') {
    return { code: 1, stdout: head, stderr: `${name}: can't set multicast source interface\n` }
  }
  if (errno !== undefined) {
    return { code: 1, stdout: head, stderr: `${name}: sendto: ${strerror(errno)}\n` }
  }
  let stdout = head
  const times: number[] = []
  for (const { sequence, result } of run.events) {
    if (result.outcome !== 'reply') continue
    times.push(result.rttNs / 1e6)
    stdout += `${options.size + 8} bytes from ${formatIp(result.responder)}: seq=${sequence - 1} `
    stdout += `ttl=${result.ttl ?? 0} time=${(result.rttNs / 1e6).toFixed(3)} ms\n`
  }
  const loss = Math.floor(((run.sent - times.length) * 100) / Math.max(1, run.sent))
  stdout += `\n--- ${options.host} ping statistics ---\n${run.sent} packets transmitted, `
  stdout += `${times.length} packets received, ${loss}% packet loss\n`
  if (times.length === 0) return { code: 1, stdout, stderr: '' }
  const figures = rangeOf(times).map((f) => f.toFixed(3))
  return done(`${stdout}round-trip min/avg/max = ${figures.join('/')} ms\n`)
}
