/** How `tc qdisc show` prints: print_qdisc() of tc/tc_qdisc.c, netem_print_opt() of q_netem.c. */
import { type Netem, NETEM_LIMIT } from '../../fabric/netem.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import { linkQdisc } from './link.ts'

/** @param named with the link it is on: left out when it was asked for */
export function printQdisc(l: LinkSnapshot, named: boolean): string {
  const kind = linkQdisc(l)
  // What a link has before it is up for the first time is not told.
  if (kind === 'noop') return ''
  const dev = named ? `dev ${l.name} ` : ''
  const { netem, netemHandle = 0x8001 } = l
  if (netem === undefined) return `qdisc ${kind} 0: ${dev}root refcnt 2 \n`
  return `qdisc netem ${netemHandle.toString(16)}: ${dev}root refcnt 2 ${netemText(netem)}\n`
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

/** `%.3g`, in the unit it is at least one of. */
function time(ns: number): string {
  const [factor, unit] = ns >= 1e9 ? [1e9, 's'] : ns >= 1e6 ? [1e6, 'ms'] : [1e3, 'us']
  return `${Number((ns / factor).toPrecision(3))}${unit}`
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
