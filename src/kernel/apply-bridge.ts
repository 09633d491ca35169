/** Forwarding entries, VLAN membership and port options of a plan as rtnetlink requests. */
import type { BridgeVlanChange, FdbChange, PortOptions } from '../fabric/plan.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Outgoing,
  outgoing,
  type Refusal,
} from '../netlink/message.ts'
import {
  BRIDGE_FLAGS_SELF,
  bridgeLink,
  VLAN_PVID,
  VLAN_RANGE_BEGIN,
  VLAN_RANGE_END,
  VLAN_UNTAGGED,
} from '../netlink/tables/bridge.ts'
import {
  AF_BRIDGE,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
  RTM_SETLINK,
} from '../netlink/tables/header.ts'
import { NTF_MASTER, NTF_SELF, NTF_STICKY, NUD, neighbour } from '../netlink/tables/neighbour.ts'
import type { Links } from './connections.ts'

/** As bridge(8) says them (bridge/fdb.c `fdb_modify`). */
const STATES = {
  permanent: NUD.noarp | NUD.permanent,
  static: NUD.noarp | NUD.reachable,
  dynamic: NUD.reachable,
} as const

/**
 * Equivalent to: `bridge fdb add|replace|del MAC dev LINK master|self [permanent|static|dynamic]
 * [vlan N] [sticky]`.
 */
export function fdbMessage(op: FdbChange, links: Links): Outgoing | Refusal {
  const link = links.find(op.netns, op.link)
  if (!link.ok) return link
  const deleting = op.do === 'fdb.del'
  const creating = NLM_F_CREATE | (op.do === 'fdb.add' ? NLM_F_EXCL : NLM_F_REPLACE)
  return outgoing(
    deleting ? RTM_DELNEIGH : RTM_NEWNEIGH,
    deleting ? 0 : creating,
    neighbour,
    {
      family: AF_BRIDGE,
      index: link.index,
      state: STATES[op.state ?? 'permanent'],
      flags: (op.on === 'self' ? NTF_SELF : NTF_MASTER) | (op.sticky ? NTF_STICKY : 0),
    },
    { mac: op.mac, vlan: op.vlan },
  )
}

/**
 * Equivalent to: `bridge vlan add|del vid FROM[-TO] dev LINK [pvid] [untagged] [self]`.
 */
export function bridgeVlanMessage(op: BridgeVlanChange, links: Links): Outgoing | Refusal {
  const link = links.find(op.netns, op.link)
  if (!link.ok) return link
  const flags = (op.pvid ? VLAN_PVID : 0) | (op.untagged ? VLAN_UNTAGGED : 0)
  const vlans =
    op.to === undefined || op.to === op.from
      ? [{ flags, vid: op.from }]
      : [
          { flags: flags | VLAN_RANGE_BEGIN, vid: op.from },
          { flags: flags | VLAN_RANGE_END, vid: op.to },
        ]
  return outgoing(
    op.do === 'bridge-vlan.add' ? RTM_SETLINK : RTM_DELLINK,
    0,
    bridgeLink,
    { family: AF_BRIDGE, index: link.index },
    { afSpec: { flags: op.self ? BRIDGE_FLAGS_SELF : undefined, vlans } },
  )
}

/** Equivalent to: `bridge link set dev LINK hairpin on ...`. */
export function portMessage(
  netns: string,
  name: string,
  port: PortOptions,
  links: Links,
): Outgoing | Refusal {
  const link = links.find(netns, name)
  if (!link.ok) return link
  return outgoing(
    RTM_SETLINK,
    0,
    bridgeLink,
    { family: AF_BRIDGE, index: link.index },
    {
      port: {
        hairpin: bit(port.hairpin),
        isolated: bit(port.isolated),
        learning: bit(port.learning),
        flood: bit(port.flood),
        multicastFlood: bit(port.multicastFlood),
        broadcastFlood: bit(port.broadcastFlood),
        locked: bit(port.locked),
        state: port.state,
      },
    },
  )
}

/** A yes or no as the kernel counts; what is not said stays unsaid. */
export function bit(value: boolean | undefined): 0 | 1 | undefined {
  return value === undefined ? undefined : value ? 1 : 0
}
