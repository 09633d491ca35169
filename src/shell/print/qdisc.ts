/** How `tc qdisc show` prints: print_qdisc() of tc/tc_qdisc.c, netem_print_opt() of q_netem.c. */
import { jsonText } from './json.ts'
import { type Netem, NETEM_LIMIT } from '../../fabric/netem.ts'
import type { LinkSnapshot, QdiscCounters } from '../../fabric/snapshot.ts'
import { notYet } from '../arguments.ts'
import { linkQdisc } from './link.ts'

export interface QdiscManner {
  readonly stats: boolean
  readonly json: boolean
  readonly pretty: boolean
}

/** @param named with the link each is on: left out when it was asked for */
export function printQdiscs(
  links: readonly LinkSnapshot[],
  named: boolean,
  { stats, json, pretty }: QdiscManner,
): string {
  // What a link has before it is up for the first time is not told.
  const told = links.filter((l) => linkQdisc(l) !== 'noop')
  if (!json) {
    return told.map((l) => printQdisc(l, named) + (stats ? statsText(countersOf(l)) : '')).join('')
  }
  const all = told.map((l) => ({ ...jsonOf(l, named), ...(stats ? jsonStats(countersOf(l)) : {}) }))
  return jsonText(all, pretty)
}

function printQdisc(l: LinkSnapshot, named: boolean): string {
  const dev = named ? `dev ${l.name} ` : ''
  if (l.netem === undefined) return `qdisc ${linkQdisc(l)} 0: ${dev}root refcnt 2 \n`
  return `qdisc netem ${handleOf(l)} ${dev}root refcnt 2 ${netemText(l.netem)}\n`
}

const handleOf = ({ netemHandle = 0x8001 }: LinkSnapshot): string => `${netemHandle.toString(16)}:`

const NOTHING: QdiscCounters = { sentPackets: 0, sentBytes: 0, dropped: 0, waiting: 0 }

/** Where there is no queue nothing is counted. */
function countersOf(l: LinkSnapshot): QdiscCounters {
  const kind = linkQdisc(l)
  const found = l.netemCounters ?? (kind === 'noqueue' ? NOTHING : undefined)
  return found ?? notYet('tc -s', `qdisc ${kind}`)
}

/**
 * print_tcstats2_attr(). What waits in a netem is counted in frames here, and in bytes by a kernel:
 * a frame that waits has no length of its own in the simulator's count.
 */
function statsText({ sentBytes, sentPackets, dropped, waiting }: QdiscCounters): string {
  if (waiting > 0) notYet('tc -s', 'while frames wait')
  const counts = `(dropped ${dropped}, overlimits 0 requeues 0)`
  return ` Sent ${sentBytes} bytes ${sentPackets} pkt ${counts} \n backlog 0b 0p requeues 0\n`
}

function jsonStats(c: QdiscCounters): object {
  if (c.waiting > 0) notYet('tc -s', 'while frames wait')
  const { sentBytes: bytes, sentPackets: packets, dropped: drops } = c
  return { bytes, packets, drops, overlimits: 0, requeues: 0, backlog: 0, qlen: 0 }
}

function jsonOf(l: LinkSnapshot, named: boolean): object {
  return {
    kind: linkQdisc(l),
    handle: l.netem === undefined ? '0:' : handleOf(l),
    ...(named ? { dev: l.name } : {}),
    root: true,
    refcnt: 2,
    options: l.netem === undefined ? {} : netemJson(l.netem),
  }
}

/** Numbers as the kernel keeps them: times in ticks of 64 ns, so that 1.5 ms are a little less. */
function netemJson(netem: Netem): object {
  const { delayNs = 0, jitterNs, lossPercent, duplicatePercent, reorderPercent, rateBits } = netem
  const part = (value: number) => Number((value / 100).toPrecision(6))
  const correlation = 0
  const delay = { delay: seconds(delayNs), jitter: seconds(jitterNs ?? 0), correlation }
  const rate = { packetoverhead: 0, cellsize: 0, celloverhead: 0 }
  return {
    limit: netem.limit ?? NETEM_LIMIT,
    ...(delayNs === 0 && jitterNs === undefined ? {} : { delay }),
    ...(lossPercent === undefined
      ? {}
      : { 'loss-random': { loss: part(lossPercent), correlation } }),
    ...(duplicatePercent === undefined
      ? {}
      : { duplicate: { duplicate: part(duplicatePercent), correlation } }),
    ...(reorderPercent === undefined
      ? {}
      : { reorder: { reorder: part(reorderPercent), correlation } }),
    ...(rateBits === undefined ? {} : { rate: { rate: Math.floor(rateBits / 8), ...rate } }),
    ecn: false,
    gap: reorderPercent === undefined ? 0 : 1,
  }
}

/** `%g` of whole microseconds in a second. */
function seconds(ns: number): number {
  return Number((Math.floor((Math.floor(ns / 64) * 64) / 1000) / 1e6).toPrecision(6))
}

function netemText(netem: Netem): string {
  const { delayNs = 0, jitterNs, lossPercent, duplicatePercent, reorderPercent, rateBits } = netem
  const jitter = jitterNs === undefined ? '' : `  ${time(jitterNs)}`
  const delay = delayNs === 0 && jitterNs === undefined ? undefined : `delay ${time(delayNs)}`
  return [
    `limit ${netem.limit ?? NETEM_LIMIT}`,
    delay === undefined ? '' : `${delay}${jitter}`,
    lossPercent === undefined ? '' : `loss ${percent(lossPercent)}`,
    duplicatePercent === undefined ? '' : `duplicate ${percent(duplicatePercent)}`,
    reorderPercent === undefined ? '' : `reorder ${percent(reorderPercent)}`,
    rateBits === undefined ? '' : `rate ${rate(rateBits)}`,
    reorderPercent === undefined ? '' : 'gap 1',
  ]
    .filter((word) => word !== '')
    .join(' ')
}

/** `%.3g` of whole microseconds, in the unit it is at least one of. */
function time(ns: number): string {
  const us = Math.floor((Math.floor(ns / 64) * 64) / 1000)
  const [factor, unit] = us >= 1e6 ? [1e6, 's'] : us >= 1000 ? [1000, 'ms'] : [1, 'us']
  return `${Number((us / factor).toPrecision(3))}${unit}`
}

/** `%g` */
function percent(value: number): string {
  return `${Number(value.toPrecision(6))}%`
}

/** In thousands as long as nothing is lost by it. */
function rate(bits: number): string {
  let left = bits
  for (const unit of ['', 'K', 'M', 'G']) {
    if (left < 1000 || (left % 1000 !== 0 && left < 1_000_000))
      return `${left.toFixed(0)}${unit}bit`
    left /= 1000
  }
  return `${left.toFixed(0)}Tbit`
}
