/** Texts made comparable: what must differ from run to run is taken out on both sides. */
import type { Output } from '../../src/shell/session.ts'

const MAC = /\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/g

/** Ping and arping: durations go, what was said and in which order stays. */
export function plainPing(text: string): string {
  return text
    .replace(/time=[\d.]+ ms/g, 'time=T ms')
    .replace(/, time \d+ms/g, ', time Tms')
    .replace(/ {2}[\d.]+ ms/g, '  T ms')
    .replace(/= [\d./]+ ms/g, '= T ms')
    .replace(/[\d.]+ms$/gm, 'Tms')
    .split('\n')
    .map((l) => l.trimEnd())
    .join('\n')
    .trim()
}

/**
 * Tables of the tools: MACs nobody chose, ids made of them, timers and the tail of sizes that
 * hangs on the number of processors.
 *
 * @param chosen the commands that led here: a MAC named in them is compared, others are not
 */
export function plainTable(text: string, chosen: string): string {
  return text
    .replace(/8000\.[0-9a-f:]+/g, '8000.ID')
    .replace(MAC, (mac) => (chosen.includes(mac) || FIXED.test(mac) ? mac : 'MAC'))
    .replace(/inet6 fe80::[0-9a-f:]+/g, 'inet6 fe80::ID')
    .replace(/"address":"[0-9a-f:]+"/g, '"address":"MAC"')
    .replace(/ ?addrgenmode .*$/gm, '')
    .replace(/,"inet6_addr_gen_mode".*$/gm, '')
    .replace(/_timer +[\d.]+/g, '_timer T')
    .replace(/vlan_default_pvid 1 vlan_stats_enabled 0 vlan_stats_per_port 0 /g, '')
    .replace(/vlan_protocol \S+ /g, '')
    .replace(/(mcast_startup_query_interval) 312[45]/g, '$1 T')
    .replace(/expires \d+sec/g, 'expires Tsec')
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '')
    .join('\n')
}

const FIXED = /^(ff:ff:ff:ff:ff:ff|00:00:00:00:00:00|01:00:5e:.*|33:33:00:.*|01:80:c2:.*)$/

/** Both streams as the rows hold them. */
export function said(out: Output): string {
  return [out.stdout.trim(), out.stderr.trim()].filter((s) => s !== '').join('\n')
}

/**
 * Forwarding tables without what a device merely listens to (`self`, the lists of groups and
 * addresses its driver filters by): a snapshot does not hold that. In no particular order.
 */
export const forwardingOnly = (text: string): string =>
  sortLines(
    text
      .split('\n')
      .filter((l) => !l.includes(' self '))
      .join('\n'),
  )

/**
 * Operational states and carrier flags taken out: the rows of the User Mode Linux were read before
 * its link watch, a second late at times, had run.
 */
export const withoutOperState = (text: string): string =>
  text
    .replace(/\b(UP|UNKNOWN|DOWN|LOWERLAYERDOWN) +(?=MAC|[0-9a-f]{2}:)/g, 'STATE ')
    .replace(/state (UP|UNKNOWN|DOWN|LOWERLAYERDOWN)/g, 'state STATE')
    .replace('NO-CARRIER,', '')

export const sortLines = (text: string): string => text.split('\n').sort().join('\n')
