/**
 * A plan on the real kernel: ops in order, each with the answer the kernel gave.
 *
 * Every op is a send of its own (docs/decisions/0012-one-send-an-op.md). Many in one datagram would
 * be done by the kernel past a refusal, which is wrong unless the caller keeps going; then runs of
 * small ops (addresses, routes, neighbours, rules, forwarding entries) do share datagrams.
 */
import { LanyardError } from '../errors.ts'
import type { OpOutcome } from '../fabric/fabric.ts'
import type {
  AddressChange,
  BridgeVlanChange,
  FdbChange,
  NeighbourChange,
  Op,
  Plan,
  RouteChange,
  RuleChange,
} from '../fabric/plan.ts'
import type { Outgoing, Refusal } from '../netlink/message.ts'
import { errnoCode, errnoText } from '../errno.ts'
import { SysError } from '../sys/errno.ts'
import { AF_INET, closeFd, ioctl, linkNameBytes, openSocket, SOCK_DGRAM } from '../sys/socket.ts'
import { writeSysctl } from '../sys/sysctl.ts'
import { bridgeVlanMessage, fdbMessage } from './apply-bridge.ts'
import { flushAddresses, flushFdb, flushNeighbours, flushRouteCache } from './apply-flush.ts'
import { addressMessage, neighbourMessage, routeMessage, ruleMessage } from './apply-ip.ts'
import { addLink, setLink, type Work } from './apply-link.ts'
import { isRemoval, type Removal, removalsFrom, removeAll } from './apply-removal.ts'
import { Connections, Links, refusal } from './connections.ts'
import { changeFilter } from './netfilter.ts'
import { createNetns, deleteNetns, inNetns } from './netns.ts'
import { qdiscMessage } from './qdisc.ts'

/** The event loop gets a turn after so much work. */
const TURN_MS = 20
const SIOCADDMULTI = 0x8931
const SIOCDELMULTI = 0x8932
const IFNAMSIZ = 16

/**
 * Does the ops of a plan in order.
 *
 * @returns an outcome an op
 * @throws LanyardError `op-refused` at the first refusal, unless `keepGoing`; the ops before it
 * stay done, as they do when the program dies in the middle.
 *
 * @example
 * ```ts
 * await applyPlan([{ do: 'netns.add', netns: 'box1' }], {})
 * ```
 */
export async function applyPlan(
  plan: Plan,
  options: { readonly keepGoing?: boolean } = {},
): Promise<readonly OpOutcome[]> {
  const connections = new Connections()
  const work: Work = { connections, links: new Links(connections) }
  const keepGoing = options.keepGoing === true
  const outcomes: OpOutcome[] = []
  let turnEnds = performance.now() + TURN_MS
  try {
    while (outcomes.length < plan.length) {
      const index = outcomes.length
      const refusals = await doNext(work, plan, index, keepGoing)
      for (const [i, refused] of refusals.entries()) {
        outcomes.push(outcomeOf(plan[index + i] as Op, index + i, refused))
      }
      const last = outcomes.at(-1)
      if (!keepGoing && last?.ok === false) throw refusedOp(last)
      if (performance.now() > turnEnds) {
        await new Promise((resolve) => setImmediate(resolve))
        turnEnds = performance.now() + TURN_MS
      }
    }
  } finally {
    connections.close()
  }
  return outcomes
}

/** The op at `from`, and those after it that may go with it. @returns an answer each */
async function doNext(
  work: Work,
  plan: Plan,
  from: number,
  keepGoing: boolean,
): Promise<readonly (Refusal | undefined)[]> {
  const op = plan[from] as Op
  if (isRemoval(op)) {
    work.links.forget()
    return await removeAll(keepGoing ? removalsFrom(plan, from) : [op], refusalOf)
  }
  const run = keepGoing ? plainRun(plan, from) : 1
  return run > 1 ? doRun(work, plan, from, run) : [doOp(work, op)]
}

function outcomeOf(op: Op, index: number, refused: Refusal | undefined): OpOutcome {
  if (refused === undefined) return { ok: true }
  return { ok: false, op, index, errno: refused.errno, extack: refused.extack }
}

function refusedOp(outcome: Extract<OpOutcome, { ok: false }>): LanyardError {
  const { op, index, errno, extack } = outcome
  const message = extack ?? errnoText(errnoCode(errno) ?? 0)
  return new LanyardError('op-refused', { op: op.do, errno, message, index }, { cause: outcome })
}

/** How many ops from `from` on are one plain message each, to one namespace. */
function plainRun(plan: Plan, from: number): number {
  const netns = plan[from]?.netns
  let to = from
  while (to < plan.length && plan[to]?.netns === netns && isPlain(plan[to] as Op)) to++
  return Math.max(1, to - from)
}

type MessageOp =
  | AddressChange
  | RouteChange
  | NeighbourChange
  | RuleChange
  | FdbChange
  | BridgeVlanChange

const PLAIN = /^(address|route|neighbour|rule|fdb|bridge-vlan)\.(add|replace|del)$/

function isPlain(op: Op): op is MessageOp {
  return PLAIN.test(op.do)
}

/** A run of plain ops in as few datagrams as they need. */
function doRun(work: Work, plan: Plan, from: number, count: number): (Refusal | undefined)[] {
  const netns = (plan[from] as Op).netns
  try {
    const built = plan.slice(from, from + count).map((op) => messageOf(work, op as MessageOp))
    const sent = built.filter((message): message is Outgoing => !('ok' in message))
    const answers = work.connections.to(netns).batch(sent)
    let next = 0
    return built.map((message, i) => {
      if ('ok' in message) return message
      const answer = answers[next++]
      if (answer === undefined || answer.ok) return undefined
      if (answer.errno !== 'ENODEV') return answer
      // Perhaps somebody replaced the link: once more, by its name.
      work.links.forget()
      return doOp(work, plan[from + i] as MessageOp)
    })
  } catch (error) {
    // The namespace is missing: so it is for each.
    return Array.from({ length: count }, () => refusalOf(error))
  }
}

function messageOf(work: Work, op: MessageOp): Outgoing | Refusal {
  switch (op.do) {
    case 'address.add':
    case 'address.del':
      return addressMessage(op, work.links)
    case 'route.add':
    case 'route.replace':
    case 'route.del':
      return routeMessage(op, work.links)
    case 'neighbour.add':
    case 'neighbour.replace':
    case 'neighbour.del':
      return neighbourMessage(op, work.links)
    case 'rule.add':
    case 'rule.del':
      return ruleMessage(op)
    case 'fdb.add':
    case 'fdb.replace':
    case 'fdb.del':
      return fdbMessage(op, work.links)
    case 'bridge-vlan.add':
    case 'bridge-vlan.del':
    default:
      return bridgeVlanMessage(op, work.links)
  }
}

function doOp(work: Work, op: Exclude<Op, Removal>): Refusal | undefined {
  try {
    return applyOp(work, op)
  } catch (error) {
    return refusalOf(error)
  }
}

/**
 * Errors of the system and of namespaces are answers too; anything else is not about the op and
 * goes on (`netlink-lost` above all: what was done is not known).
 */
function refusalOf(error: unknown): Refusal {
  if (error instanceof SysError) return refusal(error.errno)
  if (error instanceof LanyardError && error.code.startsWith('netns-')) {
    return refusal(error.errno ?? 'EINVAL')
  }
  throw error
}

/** One op, whatever comes of it. */
export function applyOp(work: Work, op: Exclude<Op, Removal>): Refusal | undefined {
  if (isPlain(op)) return work.links.send(op.netns, () => messageOf(work, op))
  switch (op.do) {
    case 'netns.add':
      createNetns(op.netns)
      return undefined
    case 'netns.del':
      work.connections.release(op.netns)
      work.links.forget()
      deleteNetns(op.netns)
      return undefined
    case 'link.add':
      return addLink(work, op)
    case 'link.set':
      return setLink(work, op)
    case 'address.flush':
      return flushAddresses(work, op)
    case 'route.flush-cache':
      return flushRouteCache(work, op)
    case 'neighbour.flush':
      return flushNeighbours(work, op)
    case 'fdb.flush':
      return flushFdb(work, op)
    case 'sysctl.set':
      inNetns(op.netns, () => writeSysctl(op.key, op.value))
      return undefined
    case 'filter.add':
    case 'filter.del':
    case 'filter.flush':
    case 'filter.policy':
    case 'filter.chain-add':
    case 'filter.chain-del':
      return changeFilter(op)
    case 'qdisc.add':
    case 'qdisc.change':
    case 'qdisc.replace':
    case 'qdisc.del':
      return work.links.send(op.netns, () => qdiscMessage(op, work.links))
    case 'multicast.add':
    case 'multicast.del':
    default:
      return changeMulticast(op)
  }
}

/** Equivalent to: `ip maddr add|del MAC dev LINK`. rtnetlink has no request for it. */
function changeMulticast(
  op: Extract<Op, { do: 'multicast.add' | 'multicast.del' }>,
): Refusal | undefined {
  const name = linkNameBytes(op.link)
  if (name.length > IFNAMSIZ) return refusal('ENODEV')
  const request = new Uint8Array(40)
  request.set(name)
  const view = new DataView(request.buffer)
  // ifr_hwaddr: a family that is not looked at, then the MAC.
  view.setUint16(IFNAMSIZ + 2, Math.floor(op.mac / 0x100000000))
  view.setUint32(IFNAMSIZ + 4, op.mac % 0x100000000)
  inNetns(op.netns, () => {
    const fd = openSocket(AF_INET, SOCK_DGRAM, 0)
    try {
      ioctl(fd, op.do === 'multicast.add' ? SIOCADDMULTI : SIOCDELMULTI, request)
    } finally {
      closeFd(fd)
    }
  })
  return undefined
}
