/** What one link of the host is as a parent: who has it, who is on it, what may be put on it. */
import { type Finding, finding, SEVERITIES } from './check.ts'
import type { Facts } from './facts.ts'
import { parentFindings } from './parent.ts'
import { childrenOf, host, hostLink, nameOf, networkText } from './view.ts'

export type ParentAnswer =
  | { readonly findings: readonly Finding[]; readonly next: string }
  /** There is no such link; there are these. */
  | { readonly known: readonly string[] }

/**
 * @example
 * ```ts
 * parentAnswer(facts, 'eth0')
 * ```
 */
export function parentAnswer(facts: Facts, name: string): ParentAnswer {
  const link = hostLink(facts, name)
  if (link === undefined) return { known: (host(facts)?.links ?? []).map((one) => one.name) }
  if (link.kind === 'loopback') {
    const says = `${name} is the loopback: it leads nowhere, and nothing can be put on it`
    const found = [finding('problem', 'parent-loopback', name, says)]
    return { findings: found, next: 'ip -br link (the other links there are)' }
  }
  const children = childrenOf(facts, link)
  const networks = facts.networks.filter((one) => one.parent === name)
  const findings: Finding[] = [...parentFindings(facts, link)]
  if (networks.length > 0) {
    const says = `${name} is the parent of ${networks.map(networkText).join(', ')}`
    findings.push(finding('note', 'parent-networks', name, says))
  }
  const kinds = [...new Set(children.map((at) => at.link.kind))]
  if (kinds.length > 0) {
    const who = children.slice(0, 3).map((at) => `${at.link.name} of ${nameOf(facts, at.netns)}`)
    const rest = children.length > 3 ? ` and ${children.length - 3} more` : ''
    const other = kinds[0] === 'macvlan' ? 'ipvlan' : 'macvlan'
    findings.push(
      finding(
        'note',
        'parent-children',
        name,
        `${name} carries ${kinds.join(' and ')}: ${who.join(', ')}${rest}; ${other} on it answers "device or resource busy"`,
      ),
    )
  }
  const sorted = findings.toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  )
  return { findings: sorted, next: nextFor(facts, name, kinds[0]) }
}

function nextFor(facts: Facts, name: string, kind: string | undefined): string {
  const master = hostLink(facts, name)?.master
  const bridge = master === undefined ? undefined : hostLink(facts, master)
  if (bridge?.kind === 'bridge') {
    return `lanyard network create -o attach=veth -o parent=${bridge.name} ...`
  }
  if (master !== undefined) return `lanyard explain parent ${master}`
  const driver = kind === 'ipvlan' || facts.cards[name]?.wireless === true ? ' -d ipvlan' : ''
  return `lanyard network create${driver} -o parent=${name} ...`
}
