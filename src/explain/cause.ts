/** Finds the cause behind a reason: what the two ends are to each other decides. */
import type { ReasonCode } from '../fabric/reason.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import type { CauseCode } from './causes.ts'
import type { Question } from './question.ts'
import type { LinkAt, Scene } from './scene.ts'
import { askedFor } from './decide.ts'
import type { Place } from './types.ts'

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
  return atDown(ends) ?? atParent(ends) ?? atSiblings(ends) ?? elsewhere(ends)
}

/** Nobody answered, and the one who should is down: what else turned it back is beside it. */
function atDown({ scene, question, code, at }: Ends): CauseCode | undefined {
  if (!TURNED_BACK.has(code) || askedFor(at?.frame) !== question.target) return undefined
  const owners = scene.owners(question.target)
  const [owner] = owners
  if (owner === undefined || owners.length > 1 || owner.netns !== question.to) return undefined
  const links = scene.netns(owner.netns)?.links ?? []
  return links.some((l) => l.name === owner.link && !l.up) ? 'END_DOWN' : undefined
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
  const packet = at?.frame?.packet
  const asked = packet?.kind === 'arp' && packet.operation === 1 ? packet.targetIp : target
  if (code === 'VLAN_NO_DEVICE') {
    if (scene.owners(asked).length > 0) return 'UNTAGGED_AT_PARENT'
    return asked === target ? 'NOBODY_HAS_ADDRESS' : 'GATEWAY_UNREACHABLE'
  }
  if (!silent && code !== 'MARTIAN_SOURCE') return undefined
  const owners = scene.owners(target)
  const own = scene.addressTowards(from, target)
  const twins = own === undefined ? 0 : scene.owners(own.address.address).length
  if (owners.length > 1 || twins > 1) return 'DUPLICATE_ADDRESS'
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
