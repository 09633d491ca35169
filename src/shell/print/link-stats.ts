/** What `ip -s` says of a link: print_stats64() of ip/ipaddress.c. */
import type { LinkCounters, LinkSnapshot } from '../../fabric/snapshot.ts'

/** Widths of the columns: of the heads of all forms, so that they stand below each other. */
const WIDTHS = [10, 7, 6, 7, 7, 7]
/** A column that is there only for what was compressed: its head is blank. */
const BLANK = ' '.repeat(10)
const RX = ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast']
const TX = ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns']

interface StatsManner {
  readonly human: 1000 | 1024 | undefined
}

/** Nothing where no counters were asked for. */
export function printStats({ counters: c }: LinkSnapshot, manner: StatsManner): string {
  if (c === undefined) return ''
  const rx = [c.rxBytes, c.rxPackets, 0, c.rxDropped, 0, c.multicast]
  const tx = [c.txBytes, c.txPackets, 0, c.txDropped, 0, 0]
  const widths = WIDTHS.map((w, i) =>
    Math.max(w, String(rx[i] ?? 0).length, String(tx[i] ?? 0).length),
  )
  const table = (name: string, heads: readonly string[], row: readonly number[]): string => {
    const head = heads.map((word, i) => word.padStart((widths[i] ?? 0) - (i === 0 ? 4 : 0)))
    const cells = row.map((n, i) => `${numberText(n, manner.human).padStart(widths[i] ?? 0)} `)
    return `    ${name}: ${head.join(' ')} ${BLANK}\n    ${cells.join('')}\n`
  }
  return table('RX', RX, rx) + table('TX', TX, tx)
}

/** print_num(): as many digits as tell something. */
function numberText(n: number, base: 1000 | 1024 | undefined): string {
  if (base === undefined || n < base) return String(n)
  let power = base
  let at = 0
  while (n / base >= power && at < 5) {
    power *= base
    at++
  }
  const whole = Math.floor(n / power)
  const digits = whole < 10 ? 2 : whole < 100 ? 1 : 0
  return `${(n / power).toFixed(digits)}${'kMGTPE'[at]}${base === 1024 ? 'i' : ''}`
}

export function jsonStats(c: LinkCounters): Record<string, unknown> {
  return {
    rx: {
      bytes: c.rxBytes,
      packets: c.rxPackets,
      errors: 0,
      dropped: c.rxDropped,
      over_errors: 0,
      multicast: c.multicast,
    },
    tx: {
      bytes: c.txBytes,
      packets: c.txPackets,
      errors: 0,
      dropped: c.txDropped,
      carrier_errors: 0,
      collisions: 0,
    },
  }
}
