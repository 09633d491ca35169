/** `netem` at the root of a link: plans to rtnetlink requests, and back from what is there. */
import { type Netem, NETEM_LIMIT, type QdiscChange, tidy } from '../fabric/netem.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Outgoing,
  outgoing,
  type Refusal,
} from '../netlink/message.ts'
import type { Connection } from '../netlink/request.ts'
import { RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC } from '../netlink/tables/header.ts'
import { type NetemOptions, qdisc, TC_H_ROOT } from '../netlink/tables/qdisc.ts'
import type { Links } from './connections.ts'

/** As tc(8) has them (tc/tc_qdisc.c `do_qdisc`). */
const FLAGS = {
  'qdisc.add': NLM_F_CREATE | NLM_F_EXCL,
  'qdisc.change': 0,
  'qdisc.replace': NLM_F_CREATE | NLM_F_REPLACE,
} as const

/** Nanoseconds of one unit of `struct tc_netem_qopt` (`PSCHED_SHIFT`). */
const TICK_NS = 64
const U32 = 0xffffffff

/** Equivalent to: `tc qdisc add|change|replace|del dev LINK root netem ...`. */
export function qdiscMessage(op: QdiscChange, links: Links): Outgoing | Refusal {
  const link = links.find(op.netns, op.link)
  if (!link.ok) return link
  const header = { index: link.index, parent: TC_H_ROOT }
  if (op.do === 'qdisc.del') return outgoing(RTM_DELQDISC, 0, qdisc, header, {})
  const options = { kind: 'netem', netem: optionsOf(op.netem) }
  return outgoing(RTM_NEWQDISC, FLAGS[op.do], qdisc, header, options)
}

function optionsOf(netem: Netem): NetemOptions {
  const { delayNs = 0, jitterNs = 0, lossPercent, duplicatePercent, reorderPercent } = netem
  const bytes = netem.rateBits === undefined ? undefined : Math.floor(netem.rateBits / 8)
  return {
    qopt: {
      latency: Math.min(U32, Math.floor(delayNs / TICK_NS)),
      limit: netem.limit ?? NETEM_LIMIT,
      loss: chance(lossPercent),
      // tc: whoever reorders without saying a gap means each frame.
      gap: reorderPercent === undefined ? 0 : 1,
      duplicate: chance(duplicatePercent),
      jitter: Math.min(U32, Math.floor(jitterNs / TICK_NS)),
    },
    more: {
      ...(reorderPercent === undefined
        ? {}
        : { reorder: { probability: chance(reorderPercent), correlation: 0 } }),
      ...(bytes === undefined ? {} : rateOf(bytes)),
      latency64: BigInt(delayNs),
      jitter64: BigInt(jitterNs),
    },
  }
}

function rateOf(bytes: number): NetemOptions['more'] {
  const rate = { rate: Math.min(U32, bytes), packetOverhead: 0, cellSize: 0, cellOverhead: 0 }
  return bytes > U32 ? { rate64: BigInt(bytes), rate } : { rate }
}

function chance(percent = 0): number {
  return Math.round((percent / 100) * U32)
}

/** As it was said: a chance has fewer digits than the kernel's number of it. */
function percentOf(chance: number): number {
  return Math.round((chance / U32) * 100 * 1e6) / 1e6
}

function netemOf({ qopt, more }: NetemOptions): Netem {
  const bytes = Number(more.rate64 ?? more.rate?.rate ?? 0)
  return tidy({
    delayNs: Number(more.latency64 ?? qopt.latency * TICK_NS),
    jitterNs: Number(more.jitter64 ?? qopt.jitter * TICK_NS),
    lossPercent: percentOf(qopt.loss),
    duplicatePercent: percentOf(qopt.duplicate),
    reorderPercent: qopt.gap === 0 ? 0 : percentOf(more.reorder?.probability ?? 0),
    rateBits: bytes * 8,
    limit: qopt.limit,
  })
}

/** Equivalent to: `tc qdisc show`; asked only where a link says that its discipline is a netem. */
export function withNetem(
  connection: Connection,
  links: readonly LinkSnapshot[],
): readonly LinkSnapshot[] {
  if (!links.some((link) => link.qdisc === 'netem')) return links
  const found = new Map<number, Pick<LinkSnapshot, 'netem' | 'netemHandle'>>()
  const request = outgoing(RTM_GETQDISC, 0, qdisc, {})
  for (const { header, attributes } of connection.dump(request, qdisc)) {
    if (header.parent !== TC_H_ROOT || attributes.kind !== 'netem') continue
    if (attributes.netem === undefined) continue
    const netemHandle = header.handle >>> 16
    found.set(header.index, { netem: netemOf(attributes.netem), netemHandle })
  }
  return links.map((link) => {
    const netem = found.get(link.index)
    return netem === undefined ? link : { ...link, ...netem }
  })
}
