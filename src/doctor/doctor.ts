/** The doctor: every check, what they found ranked, and the one thing to do next. */
import { formatIp } from '../addr/ip.ts'
import { formatPrefix, networkOf } from '../addr/prefix.ts'
import { type Check, type Finding, finding, SEVERITIES, type Severity } from './check.ts'
import { dhcpCheck } from './dhcp.ts'
import { duplicatesCheck } from './duplicates.ts'
import type { Facts } from './facts.ts'
import { hostAccessCheck } from './host-access.ts'
import { kernelCheck } from './kernel.ts'
import { networksCheck } from './networks.ts'
import { parentCheck } from './parent.ts'
import { secondMacCheck } from './second-mac.ts'
import { settingsCheck } from './settings.ts'
import { gatewayOf, parents, subnetsOf } from './view.ts'

const unreadCheck: Check = {
  id: 'unread',
  title: 'what could not be looked at',
  run: ({ unread }) => unread.map((text) => finding('note', 'unread', 'this look', text)),
}

export const CHECKS: readonly Check[] = [
  kernelCheck,
  parentCheck,
  secondMacCheck,
  dhcpCheck,
  duplicatesCheck,
  networksCheck,
  settingsCheck,
  hostAccessCheck,
  unreadCheck,
]

export interface Diagnosis {
  /** The worst first; of equal ones in the order of the checks. */
  readonly findings: readonly (Finding & { readonly check: string })[]
  readonly worst: Severity
  /** One command to go on with. */
  readonly next: string
}

/**
 * Runs every check. Reads the facts only.
 *
 * @example
 * ```ts
 * const { findings, next } = diagnose(facts)
 * ```
 */
export function diagnose(facts: Facts): Diagnosis {
  const all = CHECKS.flatMap((check) =>
    check.run(facts).map((one) => ({ ...one, check: check.id })),
  )
  const findings = all.toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  )
  return { findings, worst: findings[0]?.severity ?? 'good', next: nextOf(facts, findings) }
}

/** What mends the worst, else what comes next. */
function nextOf(facts: Facts, findings: readonly Finding[]): string {
  const [first] = findings
  const urgent = first?.severity === 'problem' || first?.severity === 'warning'
  const command = urgent ? first.remedy.find(isCommand) : undefined
  if (command !== undefined) return command
  const parent = bestParent(facts)
  if (parent === undefined) return 'lanyard lab run examples/seed-001 (no root and no LAN needed)'
  if (facts.active.length === 0) return `lanyard doctor --active --parent ${parent}`
  if (facts.networks.some((n) => n.owner === 'Lanyard' && n.parent === parent)) {
    return 'lanyard status'
  }
  return createCommand(facts, parent)
}

const COMMAND = /^(?:ip|lanyard|sysctl|modprobe|apt|dnf) /

const isCommand = (text: string): boolean => COMMAND.test(text)

/** The link the host itself reaches the world by. */
export function bestParent(facts: Facts): string | undefined {
  const good = parents(facts).filter((l) => l.up && l.carrier && l.master === undefined)
  const routed = good.find((l) => gatewayOf(facts, l.name) !== undefined)
  return (routed ?? good.find((l) => subnetsOf(facts, l.name).length > 0))?.name
}

function createCommand(facts: Facts, parent: string): string {
  const [own] = subnetsOf(facts, parent)
  if (own === undefined) return `lanyard network create -o parent=${parent} --help`
  const subnet = formatPrefix({ address: networkOf(own), length: own.length })
  const gateway = gatewayOf(facts, parent)
  const via = gateway === undefined ? '' : ` --gateway ${formatIp(gateway)}`
  const range = freeRange(facts, parent)
  const refused = facts.active.some((a) => a.parent === parent && a.secondMac.outcome === 'refused')
  const kind = refused || facts.cards[parent]?.wireless === true ? ' -d ipvlan' : ''
  return `lanyard network create${kind} --subnet ${subnet}${via}${range} -o parent=${parent} lan`
}

/** The last sixteenth of the subnet that no DHCP server was heard to offer from. */
function freeRange(facts: Facts, parent: string): string {
  const [own] = subnetsOf(facts, parent)
  const offers = facts.active.find((a) => a.parent === parent)?.offers ?? []
  if (own === undefined || typeof own.address === 'bigint') return ''
  if (own.length > 27 || own.length < 8 || offers.length === 0) return ''
  const length = own.length + 4
  const size = 2 ** (32 - length)
  const base = networkOf(own) as number
  const taken = [...offers.map((o) => o.address), own.address]
  for (let n = 15; n > 0; n--) {
    const first = base + n * size
    if (taken.some((ip) => ip >= first && ip < first + size)) continue
    return ` --ip-range ${formatPrefix({ address: first, length })}`
  }
  return ''
}
