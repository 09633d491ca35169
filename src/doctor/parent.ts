/** Parents: whose they are, whether they are up, what they are made of. */
import { formatPrefix } from '../addr/prefix.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts } from './facts.ts'
import { childrenOf, hostLink, nameOf, parents, subnetsOf } from './view.ts'

export const parentCheck: Check = {
  id: 'parent',
  title: 'parents: owner, state, Wi-Fi, MTU',
  run: (facts) => parents(facts).flatMap((link) => parentFindings(facts, link)),
}

/** What there is to say of one link as a parent. */
export function parentFindings(facts: Facts, link: LinkSnapshot): Finding[] {
  return [
    ...owned(facts, link),
    ...state(facts, link),
    ...wireless(facts, link),
    ...children(facts, link),
    ...bridge(facts, link),
  ]
}

function owned(facts: Facts, link: LinkSnapshot): Finding[] {
  if (link.master === undefined) return []
  const master = hostLink(facts, link.master)
  const kind = master?.kind ?? 'link'
  const name = link.master
  if (kind === 'bridge') {
    return [
      finding(
        'warning',
        'parent-bridge-port',
        link.name,
        `${link.name} is a port of bridge ${name}: a macvlan or ipvlan on it answers "device or resource busy"`,
        `lanyard network create --attach veth -o parent=${name} ... (endpoints become ports of ${name})`,
      ),
    ]
  }
  const what = kind === 'openvswitch' || name.startsWith('ovs') ? 'Open vSwitch' : kind
  return [
    finding(
      'warning',
      'parent-enslaved',
      link.name,
      `${link.name} belongs to ${what} ${name}: a macvlan or ipvlan on it answers "device or resource busy"`,
      `-o parent=${kind === 'openvswitch' ? 'the internal port of the vSwitch' : name}`,
    ),
  ]
}

function state(facts: Facts, link: LinkSnapshot): Finding[] {
  const users = [
    ...facts.networks.filter((n) => n.parent === link.name).map((n) => n.name),
    ...childrenOf(facts, link).map((at) => nameOf(facts, at.netns)),
  ]
  const severity = users.length > 0 ? 'problem' : 'note'
  if (!link.up) {
    const says = `${link.name} is down${usersText(users)}`
    return [finding(severity, 'parent-down', link.name, says, `ip link set ${link.name} up`)]
  }
  if (!link.carrier) {
    return [
      finding(
        severity,
        'parent-no-carrier',
        link.name,
        `${link.name} has no carrier${usersText(users)}`,
        'plug the cable in, or look at the other end of it',
      ),
    ]
  }
  const { speed } = facts.cards[link.name] ?? {}
  const subnets = subnetsOf(facts, link.name).map(formatPrefix)
  const about = [
    link.kind === 'device' ? undefined : link.kind,
    speed === undefined ? undefined : `${speed} Mbit/s`,
    `MTU ${link.mtu}`,
    ...subnets,
    link.promiscuity > 0 ? 'promiscuous' : undefined,
  ].filter((text) => text !== undefined)
  return [finding('good', 'parent-up', link.name, `${link.name} is up: ${about.join(', ')}`)]
}

function usersText(users: readonly string[]): string {
  if (users.length === 0) return ''
  const some = users.slice(0, 3).join(', ')
  return `, and ${some}${users.length > 3 ? ', ...' : ''} ${users.length > 1 ? 'hang' : 'hangs'} on it`
}

function wireless(facts: Facts, link: LinkSnapshot): Finding[] {
  if (facts.cards[link.name]?.wireless !== true) return []
  const macvlans = childrenOf(facts, link).filter((at) => at.link.macvlan !== undefined)
  return [
    finding(
      macvlans.length > 0 ? 'problem' : 'warning',
      'parent-wifi',
      link.name,
      `${link.name} is Wi-Fi: an access point takes frames of the one MAC it knows, so macvlan children are silently cut off`,
      `ipvlan shares that MAC: lanyard network create -d ipvlan -o parent=${link.name} ...`,
      'or a cable',
    ),
  ]
}

function children(facts: Facts, link: LinkSnapshot): Finding[] {
  const all = childrenOf(facts, link)
  const found: Finding[] = []
  const thick = all.filter((at) => at.link.mtu > link.mtu)
  if (thick.length > 0) {
    const who = thick.map((at) => nameOf(facts, at.netns)).join(', ')
    found.push(
      finding(
        'warning',
        'parent-mtu',
        link.name,
        `${who} send larger frames than ${link.name} takes (MTU ${link.mtu})`,
        `the same MTU on both: ip link set ${link.name} mtu ${Math.max(...thick.map((at) => at.link.mtu))}`,
      ),
    )
  }
  const passthru = all.find((at) => at.link.macvlan?.mode === 'passthru')
  if (passthru !== undefined) {
    found.push(
      finding(
        'warning',
        'parent-passthru',
        link.name,
        `${nameOf(facts, passthru.netns)} has ${link.name} to itself (passthru): the host hears nothing on it, and no other child can be made`,
        'mode bridge for it, or a card of its own',
      ),
    )
  }
  return found
}

/** Kernels panicked and logged call traces with a macvlan on a bridge (bugzilla 217777). */
function bridge(facts: Facts, link: LinkSnapshot): Finding[] {
  if (link.kind !== 'bridge' || childrenOf(facts, link).length === 0) return []
  return [
    finding(
      'note',
      'parent-bridge',
      link.name,
      `${link.name} is a bridge with macvlan or ipvlan children: its ports work as well, and reach the host`,
      `lanyard network create --attach veth -o parent=${link.name} ...`,
    ),
  ]
}
