/**
 * The ops that empty a table: read what is there, delete each, look again. As iproute2 does it, a
 * few rounds at the most, because the kernel may add while we remove.
 */
import type { OpOf } from '../fabric/plan.ts'
import { type Outgoing, outgoing, type Refusal } from '../netlink/message.ts'
import { address } from '../netlink/tables/address.ts'
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  RTM_DELADDR,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_GETADDR,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_NEWLINK,
} from '../netlink/tables/header.ts'
import { link } from '../netlink/tables/link.ts'
import { NTF_PROXY, NUD, neighbour } from '../netlink/tables/neighbour.ts'
import { RTM_F_CLONED, route } from '../netlink/tables/route.ts'
import { writeSysctl } from '../sys/sysctl.ts'
import type { Work } from './apply-link.ts'
import { inNetns } from './netns.ts'

const ROUNDS = 10
/** Gone before we came to it. */
const GONE = new Set(['EADDRNOTAVAIL', 'ENOENT', 'ESRCH', 'ENODEV'])

/** Deletes what `list` finds until nothing is left. */
function empty(work: Work, netns: string, list: () => readonly Outgoing[]): Refusal | undefined {
  const connection = work.connections.to(netns)
  for (let round = 0; round < ROUNDS; round++) {
    const deletions = list()
    if (deletions.length === 0) return undefined
    for (const answer of connection.batch(deletions)) {
      if (!answer.ok && !GONE.has(answer.errno)) return answer
    }
  }
  return undefined
}

/** Equivalent to: `ip addr flush dev LINK`. */
export function flushAddresses(work: Work, op: OpOf<'address.flush'>): Refusal | undefined {
  const found = work.links.find(op.netns, op.link)
  if (!found.ok) return found
  const connection = work.connections.to(op.netns)
  return empty(work, op.netns, () =>
    connection
      .dump(outgoing(RTM_GETADDR, 0, address, {}), address, (h) => h.index === found.index)
      .map(({ header, attributes: { local, address: far } }) =>
        outgoing(RTM_DELADDR, 0, address, header, { local: local ?? far, address: far }),
      ),
  )
}

/**
 * Equivalent to: `ip neigh flush [dev LINK]`: all but what was put there by hand (permanent) and
 * what needs no resolution (noarp).
 */
export function flushNeighbours(work: Work, op: OpOf<'neighbour.flush'>): Refusal | undefined {
  const found = op.link === undefined ? undefined : work.links.find(op.netns, op.link)
  if (found !== undefined && !found.ok) return found
  const family = op.family === undefined ? AF_UNSPEC : op.family === 4 ? AF_INET : AF_INET6
  const connection = work.connections.to(op.netns)
  const list = () =>
    connection
      .dump(
        outgoing(RTM_GETNEIGH, 0, neighbour, { family }),
        neighbour,
        (header) =>
          (header.state & (NUD.permanent | NUD.noarp)) === 0 &&
          header.state !== 0 &&
          (header.flags & NTF_PROXY) === 0 &&
          header.family !== AF_BRIDGE &&
          (found === undefined || header.index === found.index),
      )
      .map(({ header, attributes }) =>
        outgoing(RTM_DELNEIGH, 0, neighbour, header, { dst: attributes.dst }),
      )
  return empty(work, op.netns, list)
}

/**
 * Forgets what a bridge learned; permanent and static entries stay. Equivalent to: `ip link set
 * BRIDGE type bridge fdb_flush`.
 */
export function flushFdb(work: Work, op: OpOf<'fdb.flush'>): Refusal | undefined {
  return work.links.send(op.netns, () => {
    const found = work.links.find(op.netns, op.bridge)
    if (!found.ok) return found
    const info = { kind: 'bridge', bridge: { fdbFlush: 1 } }
    return outgoing(RTM_NEWLINK, 0, link, { index: found.index }, { info })
  })
}

/** Equivalent to: `ip route flush cache` and `ip -6 route flush cache`. */
export function flushRouteCache(work: Work, op: OpOf<'route.flush-cache'>): Refusal | undefined {
  inNetns(op.netns, () => writeSysctl('net.ipv4.route.flush', '-1'))
  const connection = work.connections.to(op.netns)
  return empty(work, op.netns, () =>
    connection
      .dump(outgoing(RTM_GETROUTE, 0, route, { family: AF_INET6, flags: RTM_F_CLONED }), route)
      .filter((entry) => (entry.header.flags & RTM_F_CLONED) !== 0)
      .map(({ header, attributes: { dst, oif, gateway, priority, table } }) =>
        outgoing(RTM_DELROUTE, 0, route, header, { dst, oif, gateway, priority, table }),
      ),
  )
}
