/** Does the LAN take a second MAC? What was tried, and what the hypervisor is known for. */
import { formatIp } from '../addr/ip.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts } from './facts.ts'
import { hypervisorOf } from './hypervisor.ts'
import { parents } from './view.ts'

export const secondMacCheck: Check = {
  id: 'second-mac',
  title: 'a second MAC on the LAN: tried, and hypervisor and cloud',
  run(facts) {
    return [...facts.active.flatMap((one) => tried(facts, one)), ...untried(facts)]
  },
}

function tried(facts: Facts, { parent, secondMac }: Facts['active'][number]): Finding[] {
  const { outcome, asked, why } = secondMac
  const who = asked === undefined ? 'nobody' : formatIp(asked)
  const known = hypervisorOf(facts, parent)
  switch (outcome) {
    case 'accepted':
      return [
        finding(
          'good',
          'second-mac',
          parent,
          `the LAN at ${parent} takes a second MAC: ${who} answered it`,
        ),
      ]
    case 'refused':
      return [
        finding(
          'problem',
          'second-mac-refused',
          parent,
          `the LAN at ${parent} refuses a second MAC: ${who} answers ${parent} and not a macvlan child${known === undefined ? '' : ` (this machine runs under ${known.name})`}`,
          ...(known?.remedy ?? ['look for port security or a MAC limit at the switch']),
          ...(known?.refuses === true
            ? []
            : ['or ipvlan, which shares the MAC of its parent: -d ipvlan']),
        ),
      ]
    case 'silent':
      return [
        finding(
          'note',
          'second-mac-silent',
          parent,
          `whether the LAN at ${parent} takes a second MAC cannot be told: ${who} answers neither`,
        ),
      ]
    case 'impossible':
    default:
      return [
        finding(
          'note',
          'second-mac-untried',
          parent,
          `a second MAC could not be tried at ${parent}: ${why ?? 'unknown'}`,
        ),
      ]
  }
}

/** Without having tried: what such machines are known for. */
function untried(facts: Facts): Finding[] {
  const done = new Set(
    facts.active
      .filter((a) => ['accepted', 'refused'].includes(a.secondMac.outcome))
      .map((a) => a.parent),
  )
  const left = parents(facts).filter((l) => !done.has(l.name) && l.kind === 'device')
  const seen = new Set<string>()
  return left.flatMap((link) => {
    const known = hypervisorOf(facts, link.name)
    if (known === undefined || seen.has(known.name)) return []
    seen.add(known.name)
    if (known.refuses) {
      return [
        finding(
          'warning',
          'cloud',
          known.name,
          `${known.name} delivers nothing to MACs it did not hand out: a macvlan child hears no answer`,
          ...known.remedy,
        ),
      ]
    }
    return [
      finding(
        'note',
        'hypervisor',
        known.name,
        `this machine runs under ${known.name}, which by default may drop what a second MAC sends`,
        'try it: lanyard doctor --active',
        ...known.remedy,
      ),
    ]
  })
}
