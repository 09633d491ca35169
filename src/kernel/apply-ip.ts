/** Addresses, routes, neighbours and rules of a plan as rtnetlink requests. */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { AddressChange, NeighbourChange, RouteChange, RuleChange } from '../fabric/plan.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Outgoing,
  outgoing,
  type Refusal,
} from '../netlink/message.ts'
import { address, IFA_F_NODAD, IFA_F_NOPREFIXROUTE } from '../netlink/tables/address.ts'
import {
  AF_INET,
  AF_INET6,
  RTM_DELADDR,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_NEWADDR,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTM_NEWRULE,
} from '../netlink/tables/header.ts'
import { NTF_PROXY, NUD, neighbour } from '../netlink/tables/neighbour.ts'
import {
  ROUTE_TYPES,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
  route,
} from '../netlink/tables/route.ts'
import {
  FR_ACT_BLACKHOLE,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
  rule,
} from '../netlink/tables/rule.ts'
import type { Links } from './connections.ts'

const SCOPES = { global: 0, link: 253, host: 254 } as const
const NOWHERE = 255

const familyOf = (ip: Ip) => (typeof ip === 'number' ? AF_INET : AF_INET6)
const EXCLUSIVE = NLM_F_CREATE | NLM_F_EXCL

/**
 * Equivalent to: `ip addr add ADDRESS dev LINK [broadcast IP] [scope S] [nodad] [noprefixroute]`,
 * `ip addr del ADDRESS dev LINK`.
 */
export function addressMessage(op: AddressChange, links: Links): Outgoing | Refusal {
  const link = links.find(op.netns, op.link)
  if (!link.ok) return link
  const ip = op.address.address
  const adding = op.do === 'address.add'
  const flags = (op.nodad ? IFA_F_NODAD : 0) | (op.noprefixroute ? IFA_F_NOPREFIXROUTE : 0)
  // As iproute2: 127.0.0.0/8 is of host scope unless said otherwise.
  const loopback = typeof ip === 'number' && ip >>> 24 === 127
  return outgoing(
    adding ? RTM_NEWADDR : RTM_DELADDR,
    adding ? EXCLUSIVE : 0,
    address,
    {
      family: familyOf(ip),
      length: op.address.length,
      flags: flags & 0xff,
      scope: adding ? SCOPES[op.scope ?? (loopback ? 'host' : 'global')] : 0,
      index: link.index,
    },
    {
      local: ip,
      address: ip,
      broadcast: op.broadcast,
      flags: flags <= 0xff ? undefined : flags,
    },
  )
}

/**
 * Equivalent to: `ip route add|replace|del [TYPE] TO [via IP] [dev LINK] [src IP] [metric N]
 * [table N] [scope S] [onlink] [mtu N]`.
 */
export function routeMessage(op: RouteChange, links: Links): Outgoing | Refusal {
  const link = op.link === undefined ? undefined : links.find(op.netns, op.link)
  if (link !== undefined && !link.ok) return link
  const deleting = op.do === 'route.del'
  const four = typeof op.to.address === 'number'
  const type = op.type ?? 'unicast'
  const table = op.table ?? (isLocalType(type) ? RT_TABLE_LOCAL : RT_TABLE_MAIN)
  const foreign = op.via !== undefined && familyOf(op.via) !== familyOf(op.to.address)
  return outgoing(
    deleting ? RTM_DELROUTE : RTM_NEWROUTE,
    deleting ? 0 : op.do === 'route.add' ? EXCLUSIVE : NLM_F_CREATE | NLM_F_REPLACE,
    route,
    {
      family: familyOf(op.to.address),
      dstLength: op.to.length,
      table: table < 256 ? table : 0,
      protocol: deleting ? 0 : RTPROT_BOOT,
      scope: op.scope === undefined ? defaultScope(op, four, deleting) : SCOPES[op.scope],
      type: deleting && op.type === undefined ? 0 : ROUTE_TYPES.indexOf(type),
      flags: op.onlink ? RTNH_F_ONLINK : 0,
    },
    {
      dst: op.to.length === 0 ? undefined : op.to.address,
      gateway: foreign ? undefined : op.via,
      via: foreign ? op.via : undefined,
      oif: link?.index,
      prefsrc: op.source,
      priority: op.metric,
      metrics: op.mtu === undefined ? undefined : { mtu: op.mtu },
      table: table < 256 ? undefined : table,
    },
  )
}

const isLocalType = (type: string) => type === 'local' || type === 'broadcast'

/** The scope iproute2 fills in (ip/iproute.c `iproute_modify`). */
function defaultScope(op: RouteChange, four: boolean, deleting: boolean): number {
  if (!four) return 0
  if (op.type === 'local') return SCOPES.host
  if (op.type === 'broadcast') return SCOPES.link
  if (op.type !== undefined && op.type !== 'unicast') return deleting ? NOWHERE : 0
  if (deleting) return NOWHERE
  return op.via === undefined ? SCOPES.link : SCOPES.global
}

/**
 * Equivalent to: `ip neigh add|replace|del IP [lladdr MAC] [nud STATE] dev LINK`, with `proxy`
 * `ip neigh add|del proxy IP dev LINK`.
 */
export function neighbourMessage(op: NeighbourChange, links: Links): Outgoing | Refusal {
  const link = links.find(op.netns, op.link)
  if (!link.ok) return link
  const deleting = op.do === 'neighbour.del'
  return outgoing(
    deleting ? RTM_DELNEIGH : RTM_NEWNEIGH,
    deleting ? 0 : op.do === 'neighbour.add' ? EXCLUSIVE : NLM_F_CREATE | NLM_F_REPLACE,
    neighbour,
    {
      family: familyOf(op.ip),
      index: link.index,
      state: NUD[op.state ?? 'permanent'],
      flags: op.proxy ? NTF_PROXY : 0,
    },
    { dst: op.ip, mac: op.mac },
  )
}

const ACTIONS = {
  lookup: FR_ACT_TO_TBL,
  unreachable: FR_ACT_UNREACHABLE,
  blackhole: FR_ACT_BLACKHOLE,
  prohibit: FR_ACT_PROHIBIT,
} as const

/**
 * Equivalent to: `ip [-6] rule add|del [from PREFIX] [to PREFIX] [iif L] [oif L] [priority N]
 * [table N | ACTION]`.
 */
export function ruleMessage(op: RuleChange): Outgoing {
  const deleting = op.do === 'rule.del'
  const looksUp = op.action === undefined || op.action === 'lookup'
  const table = op.table ?? (deleting || !looksUp ? 0 : RT_TABLE_MAIN)
  const action = op.action === undefined ? (deleting ? 0 : FR_ACT_TO_TBL) : ACTIONS[op.action]
  return outgoing(
    deleting ? RTM_DELRULE : RTM_NEWRULE,
    deleting ? 0 : EXCLUSIVE,
    rule,
    {
      family: op.family === 4 ? AF_INET : AF_INET6,
      dstLength: op.to?.length ?? 0,
      srcLength: op.from?.length ?? 0,
      table: table < 256 ? table : 0,
      action,
    },
    {
      dst: addressOf(op.to),
      src: addressOf(op.from),
      priority: op.priority,
      iif: op.iif,
      oif: op.oif,
      table: table < 256 ? undefined : table,
    },
  )
}

function addressOf(prefix: Prefix | undefined): Ip | undefined {
  return prefix === undefined || prefix.length === 0 ? undefined : prefix.address
}
