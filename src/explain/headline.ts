/** The one line an explanation begins with: both ends, what happened, at most 90 characters. */
import { formatIp } from '../addr/ip.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { CauseCode } from './causes.ts'
import type { Question } from './question.ts'
import type { Leg, Place, Verdict } from './types.ts'

export const HEADLINE = 90

interface Told {
  readonly question: Question
  readonly verdict: Verdict
  readonly code: ReasonCode | undefined
  readonly cause: CauseCode | undefined
  readonly at: Place | undefined
  readonly way: readonly Leg[]
  readonly name: (netns: string) => string
  /** Whether it works from empty tables. */
  readonly orders: boolean
}

export function headlineOf(told: Told): string {
  const { question, verdict, name } = told
  const ip = formatIp(question.target)
  const from = name(question.from)
  const to = question.to === undefined ? ip : `${name(question.to)} ${ip}`
  const short = question.to === undefined ? ip : name(question.to)
  const rests =
    verdict === 'ok'
      ? ['']
      : verdict === 'order'
        ? [orderText(told.orders, short), ': it depends on who speaks first', '']
        : failText(told)
  const verb = verdict === 'fail' ? 'cannot reach' : verdict === 'ok' ? 'reaches' : 'and'
  for (const whom of [to, short]) {
    for (const rest of rests) {
      const line = `${from} ${verb} ${whom}${rest}`
      if (lengthOf(line) <= HEADLINE) return line
    }
  }
  return cut(`${cutName(from)} ${verb} ${cutName(short)}`)
}

function orderText(cold: boolean, to: string): string {
  return cold
    ? `: works only until ${to} has spoken first`
    : `: works only after ${to} has spoken first`
}

const CAUSE_WORDS: Readonly<Record<CauseCode, string>> = {
  MACVLAN_HOST_TO_CHILD: ', its own macvlan child',
  MACVLAN_CHILD_TO_HOST: ', its own macvlan host',
  MACVLAN_PRIVATE: ': private children of one parent',
  VEPA_NO_HAIRPIN: ': vepa, and the switch does not send back',
  MACVLAN_MIXED_MODES: ': siblings in different macvlan modes',
  MACVLAN_PASSTHRU_HOST: ': a passthru child takes all frames',
  MACVLAN_SOURCE_LIST: ': a source child does not know the sender',
  IPVLAN_HOST: ': an ipvlan child and its own host',
  VLAN_NOT_ON_PORT: ': its VLAN is not allowed on a port',
  UNTAGGED_AT_PARENT: ': the frame lacks its tag, or has one nobody takes',
  GATEWAY_UNREACHABLE: ': the gateway does not answer',
  END_DOWN: ', whose link is down',
  NOBODY_HAS_ADDRESS: ': nobody there holds the address',
  DUPLICATE_ADDRESS: ': an address is there twice',
  DUPLICATE_MAC: ': a MAC is there twice',
}

/** Words for reasons that have no cause of their own; `@` is the place. */
const CODE_WORDS: { readonly [C in ReasonCode]?: string } = {
  LINK_DOWN: ': @ is down',
  NO_CARRIER: ': @ has no carrier',
  NETEM_LOSS: ': the impaired cable at @ loses it',
  NETEM_LIMIT: ': too many frames wait at the impaired @',
  NETEM_LATE: ': the impaired cable at @ is too slow',
  PEER_DOWN: ': the other end of @ is down',
  MTU_EXCEEDED: ': too large for @',
  MTU_TOO_SMALL: ': too large for the way out of @',
  ARP_IGNORED: ': arp_ignore at @',
  ARP_FILTERED: ': arp_filter at @',
  ARP_NOT_FOR_US: ': nobody answers for the address',
  ND_NOT_FOR_US: ': nobody answers for the address',
  ND_TENTATIVE: ': the address is refused or still tried at @',
  NEIGHBOUR_FAILED: ': nobody answers for the address',
  OTHERHOST: ': the frame goes to another MAC',
  RP_FILTER: ': rp_filter at @',
  IP_FORWARD_OFF: ': @ does not forward',
  NO_ROUTE: ': @ has no route',
  NO_ROUTE_BACK: ': @ has no route back',
  ROUTE_UNREACHABLE: ': a route of @ says no',
  ROUTE_PROHIBIT: ': a route of @ says no',
  ROUTE_BLACKHOLE: ': a route of @ says no',
  NETFILTER_INPUT: ': the chain INPUT of @ says no',
  NETFILTER_FORWARD: ': the chain FORWARD of @ says no',
  NETFILTER_OUTPUT: ': the chain OUTPUT of @ says no',
  NETFILTER_BRIDGE: ': the packet filter of @ says no',
  MARTIAN_SOURCE: ': @ does not believe the source',
  IPV6_DISABLED: ': IPv6 is disabled at @',
  VLAN_DOWN: ': @ is down',
  BRIDGE_ISOLATED: ': isolated ports at @',
  BRIDGE_NO_HAIRPIN: ': @ does not send back where it came from',
  BRIDGE_PORT_STATE: ': @ does not forward yet',
  BRIDGE_FLOOD_OFF: ': @ takes no flooded frames',
  ECHO_IGNORED: ': @ ignores pings',
  PORT_CLOSED: ': nobody listens on the port',
  IPVLAN_PRIVATE: ': private ipvlan children',
}

function failText({ code, cause, at, way, name }: Told): string[] {
  const node = at === undefined ? '' : name(at.netns)
  const link = at?.toLink ?? at?.link
  const place = link === undefined ? node : `${node}:${link}`
  const back = way.at(-1)?.back === true && way.at(-1)?.arrived === false
  const onReply = back ? ' (on the way back)' : ''
  if (cause !== undefined) return [`${CAUSE_WORDS[cause]}${onReply}`, CAUSE_WORDS[cause], '']
  const words = code === undefined ? undefined : CODE_WORDS[code]
  const plain = `: stopped at @ (${code})`
  return [
    ...(words === undefined ? [] : [`${words}${onReply}`, words]),
    `${plain}${onReply}`,
    plain,
  ]
    .flatMap((text) => [text.replace('@', place), text.replace('@', node)])
    .concat([`: ${code}`, ''])
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

function cutName(name: string): string {
  const letters = Array.from(name)
  return letters.length > 36 ? `${letters.slice(0, 35).join('')}…` : name
}

function cut(line: string): string {
  const letters = Array.from(line)
  return letters.length <= HEADLINE ? line : `${letters.slice(0, HEADLINE - 1).join('')}…`
}
