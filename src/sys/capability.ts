/** What this process may do. */
import { readFileSync } from 'node:fs'

const NEEDED = [
  ['CAP_NET_ADMIN', 12n],
  ['CAP_SYS_ADMIN', 21n],
] as const

/** Names of the capabilities that kernel work needs and this process lacks; empty as root. */
export function missingCapabilities(): readonly string[] {
  const status = readFileSync('/proc/self/status', 'latin1')
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  return NEEDED.filter(([, bit]) => ((held >> bit) & 1n) === 0n).map(([name]) => name)
}
