/**
 * Causes: the names people know a failure by. A reason says what one device did with one frame; a
 * cause says what that means for two ends: the same reason at a switch port is a different story
 * between a host and its child than between two vepa siblings. Codes are never reused or renamed.
 */
import type { ReasonCode } from '../fabric/reason.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import type { Question } from './question.ts'
import type { LinkAt, Scene } from './scene.ts'
import type { Place } from './types.ts'

interface Cause {
  /** One sentence, in plain words. */
  readonly says: string
  readonly kernel: string
  readonly remedies: readonly string[]
}

const c = (says: string, kernel: string, ...remedies: readonly string[]): Cause => ({
  says,
  kernel,
  remedies,
})

export const CAUSES = {
  MACVLAN_HOST_TO_CHILD: c(
    'a parent hands frames to its macvlan children only when it receives them: what its own host ' +
      'sends goes to the wire, and a switch does not send it back',
    'drivers/net/macvlan.c macvlan_handle_frame',
    'host access: a macvlan link in bridge mode on the same parent, in the host itself',
    'hairpin (reflective relay) on the switch port',
  ),
  MACVLAN_CHILD_TO_HOST: c(
    'a macvlan child sends to its siblings or to the wire, never up to its own host: the frame ' +
      'would have to come back from the switch',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'host access: a macvlan link in bridge mode on the same parent, in the host itself',
    'hairpin (reflective relay) on the switch port',
  ),
  MACVLAN_PRIVATE: c(
    'children in mode private are never joined, not even by a switch that sends frames back',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'both children in mode bridge',
    'routes to each other by way of a router, which keeps them apart on the link layer',
  ),
  VEPA_NO_HAIRPIN: c(
    'a child in mode vepa leaves the joining of siblings to the switch, which does not send ' +
      'frames back where they came from',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'hairpin (reflective relay, IEEE 802.1Qbg) on the switch port',
    'both children in mode bridge',
  ),
  MACVLAN_MIXED_MODES: c(
    'siblings are joined inside the host only when both are in mode bridge',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'both children in mode bridge',
  ),
  MACVLAN_PASSTHRU_HOST: c(
    'a child in mode passthru takes everything its parent receives: the host itself hears nothing',
    'drivers/net/macvlan.c macvlan_handle_frame',
    'mode bridge for the child',
    'a network card of its own for the child',
  ),
  MACVLAN_SOURCE_LIST: c(
    'a child in mode source hears only the MACs on its list',
    'drivers/net/macvlan.c macvlan_forward_source',
    "the other's MAC on the list",
    'mode bridge for the child',
  ),
  IPVLAN_HOST: c(
    'an ipvlan child and its own host do not speak to each other over their common link',
    'drivers/net/ipvlan/ipvlan_core.c ipvlan_xmit_mode_l2',
    'host access: an ipvlan link on the same parent, in the host itself',
  ),
  VLAN_NOT_ON_PORT: c(
    'the VLAN of the frame is not allowed on a port of the way',
    'net/bridge/br_vlan.c br_allowed_egress, __allowed_ingress',
    'the VLAN on that port, tagged where a VLAN link takes it off, else untagged',
  ),
  UNTAGGED_AT_PARENT: c(
    'the frame arrives without the tag its VLAN link waits for (or with one that nobody takes)',
    'net/8021q/vlan_core.c vlan_do_receive',
    'the port tagged on one side and the VLAN link on the other',
    'the child on the card itself',
  ),
  GATEWAY_UNREACHABLE: c(
    'the gateway does not answer: it is elsewhere, off, or on another VLAN',
    'net/core/neighbour.c neigh_invalidate',
    'a gateway that is on the same wire',
  ),
  NOBODY_HAS_ADDRESS: c(
    'nobody there holds the address asked for',
    'net/ipv4/arp.c arp_process',
    'the right address, or the one asked for set somewhere',
  ),
  DUPLICATE_ADDRESS: c(
    'the address is there twice: who answers first wins',
    'net/ipv4/arp.c arp_process',
    'one of the two gets another address',
  ),
  DUPLICATE_MAC: c(
    'two links of one wire have the same MAC: a switch or parent knows one of them only',
    'net/bridge/br_fdb.c br_fdb_update',
    'a MAC of its own for each',
  ),
} as const satisfies Record<string, Cause>

export type CauseCode = keyof typeof CAUSES

export const CAUSE_CODES: readonly CauseCode[] = Object.keys(CAUSES) as CauseCode[]

/** What two ends are to each other. */
interface Ends {
  readonly scene: Scene
  readonly question: Question
  readonly code: ReasonCode
  readonly at: Place | undefined
  readonly from: readonly LinkSnapshot[]
  readonly to: readonly LinkSnapshot[]
}

/** The cause behind a reason, if it has a name. */
export function causeOf(
  scene: Scene,
  question: Question,
  code: ReasonCode,
  at: Place | undefined,
): CauseCode | undefined {
  const ends: Ends = {
    scene,
    question,
    code,
    at,
    from: scene.childLinks(question.from),
    to: scene.childLinks(question.to),
  }
  return atParent(ends) ?? atSiblings(ends) ?? elsewhere(ends)
}

/** Reasons a frame ends for that its device would not send back. */
const TURNED_BACK: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'BRIDGE_NO_HAIRPIN',
  'BRIDGE_NO_PORT',
  'MACVLAN_SRC_PRIVATE',
  'MACVLAN_SRC_PASSTHRU',
  'MACVLAN_SRC_SOURCE',
  'ARP_NOT_FOR_US',
  'ND_NOT_FOR_US',
  'OTHERHOST',
  'NO_CARRIER',
  'DUMMY_SINK',
  'IPVLAN_L3_NO_GROUP',
  'NEIGHBOUR_FAILED',
])

function atParent({ scene, question, code, from, to }: Ends): CauseCode | undefined {
  const parentIs = (links: readonly LinkSnapshot[], netns: string | undefined) =>
    links.find((l) => scene.parentOf(l)?.netns === netns)
  const down = parentIs(to, question.from)
  const up = parentIs(from, question.to)
  const child = down ?? up
  const passthru = [question.from, question.to].some((netns) => hasPassthru(scene, netns))
  if (passthru && TURNED_BACK.has(code) && child?.macvlan?.mode !== 'bridge') {
    return 'MACVLAN_PASSTHRU_HOST'
  }
  if (child === undefined || !TURNED_BACK.has(code)) return undefined
  if (child.ipvlan !== undefined) return 'IPVLAN_HOST'
  return down === undefined ? 'MACVLAN_CHILD_TO_HOST' : 'MACVLAN_HOST_TO_CHILD'
}

/** Whether a namespace has a link whose traffic a passthru child takes. */
function hasPassthru(scene: Scene, netns: string | undefined): boolean {
  const links = scene.netns(netns)?.links ?? []
  return links.some((link) =>
    scene.childrenOf(netns ?? '', link).some((at) => at.link.macvlan?.mode === 'passthru'),
  )
}

function atSiblings({ scene, code, from, to }: Ends): CauseCode | undefined {
  if (!TURNED_BACK.has(code)) return undefined
  for (const a of from) {
    for (const b of to) {
      const [p, q] = [scene.parentOf(a), scene.parentOf(b)]
      const modes = [a.macvlan?.mode, b.macvlan?.mode]
      if (p === undefined || p.netns !== q?.netns || p.link.index !== q.link.index) continue
      if (modes.includes(undefined)) continue
      if (modes.includes('source')) return 'MACVLAN_SOURCE_LIST'
      if (modes.includes('private')) return 'MACVLAN_PRIVATE'
      if (modes.every((m) => m === 'vepa')) return 'VEPA_NO_HAIRPIN'
      if (modes[0] !== modes[1]) return 'MACVLAN_MIXED_MODES'
    }
  }
  const source = [...from, ...to].some((l) => l.macvlan?.mode === 'source')
  return source ? 'MACVLAN_SOURCE_LIST' : undefined
}

function elsewhere({ scene, question, code, at, to }: Ends): CauseCode | undefined {
  const { target, from } = question
  if (code === 'BRIDGE_VLAN_INGRESS' || code === 'BRIDGE_VLAN_EGRESS') return 'VLAN_NOT_ON_PORT'
  const silent = code === 'ARP_NOT_FOR_US' || code === 'ND_NOT_FOR_US' || TURNED_BACK.has(code)
  if (code === 'VLAN_NO_DEVICE') return 'UNTAGGED_AT_PARENT'
  if (!silent && code !== 'MARTIAN_SOURCE') return undefined
  const owners = scene.owners(target)
  const own = scene.addressTowards(from, target)
  const twins = own === undefined ? 0 : scene.owners(own.address.address).length
  if (owners.length > 1 || twins > 1) return 'DUPLICATE_ADDRESS'
  const packet = at?.frame?.packet
  const asked = packet?.kind === 'arp' && packet.operation === 1 ? packet.targetIp : target
  if (asked !== target && asked !== own?.address.address) return 'GATEWAY_UNREACHABLE'
  if (owners.length === 0) return 'NOBODY_HAS_ADDRESS'
  const twin = [question.from, question.to].some((netns) => hasTwinMac(scene, netns))
  if (twin) return 'DUPLICATE_MAC'
  const waits = [...to, ...(scene.netns(question.to)?.links ?? [])].some((link) =>
    waitsForTag(scene, { netns: question.to ?? '', link }, at),
  )
  return waits ? 'UNTAGGED_AT_PARENT' : undefined
}

/** Whether a frame came untagged to the card on whose VLAN link somebody waits. */
function waitsForTag(scene: Scene, waiting: LinkAt, at: Place | undefined): boolean {
  const parent = waiting.link.vlan === undefined ? scene.parentOf(waiting.link) : waiting
  const card = parent?.link.vlan === undefined ? undefined : scene.parentOf(parent.link)
  return card !== undefined && card.netns === at?.netns && card.link.name === at.link
}

function hasTwinMac(scene: Scene, netns: string | undefined): boolean {
  const real = ({ link }: LinkAt) =>
    link.kind !== 'loopback' &&
    link.kind !== 'vlan' &&
    link.ipvlan === undefined &&
    link.kind !== 'bridge' &&
    link.port === undefined &&
    link.macvlan?.mode !== 'passthru'
  const all = scene.links().filter(real)
  const below = (link: LinkSnapshot) => scene.parentOf(link)?.link
  return all
    .filter((at) => at.netns === netns)
    .some((mine) =>
      all.some(
        (o) =>
          o.link !== mine.link &&
          o.link.address === mine.link.address &&
          below(o.link) !== mine.link &&
          below(mine.link) !== o.link,
      ),
    )
}
