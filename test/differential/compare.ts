/** Does one drawn world on two fabrics and says where they disagree. */
import { formatIp } from '../../src/addr/ip.ts'
import type { Ip } from '../../src/addr/ip.ts'
import { compareSnapshots, formatDifference } from '../../src/fabric/compare.ts'
import { macsOf } from '../../src/fabric/normalise.ts'
import type { Fabric, OpOutcome, Probe, ProbeResult } from '../../src/fabric/fabric.ts'
import type { Op, Plan } from '../../src/fabric/plan.ts'
import { printPlan } from '../../src/fabric/print-ip.ts'
import type { NetnsSnapshot, Snapshot } from '../../src/fabric/snapshot.ts'
import { type Heard, Listening } from './frames.ts'
import { asked, countersOf, listenOn, probeOf } from './services.ts'

/**
 * How long a probe waits, on either fabric: shorter than an ARP failure, so that silence is
 * silence.
 */
const TIMEOUT_MS = 500

interface Done {
  readonly outcomes: readonly OpOutcome[]
  readonly snapshot: Snapshot
  /** `from > address` -> what came of it. */
  readonly cells: ReadonlyMap<string, string>
  /** What every link saw of it; undefined where IPv6 chatters. */
  readonly heard: Heard | undefined
  /** Which rule met how many packets. */
  readonly counters: ReadonlyMap<string, string>
}

export interface Compared {
  /**
   * Which links see which frames, too. A kernel that is slow asks known neighbours again, so this
   * is for quick ones.
   */
  readonly frames?: boolean
}

/**
 * Where the two fabrics disagree about a plan: outcomes of ops, state after it, every ping from
 * flushed tables, which links saw frames of it, which rules met packets. Empty when they agree. The
 * namespaces are removed again, also on failure.
 */
export async function disagreements(
  a: Fabric,
  b: Fabric,
  plan: Plan,
  { frames = false }: Compared = {},
): Promise<string[]> {
  const [left, right] = await Promise.all([perform(a, plan, frames), perform(b, plan, frames)])
  const out: string[] = []
  plan.forEach((op, i) => {
    const [x, y] = [outcomeText(left.outcomes[i]), outcomeText(right.outcomes[i])]
    if (x !== y) out.push(`op ${i} ${printPlan([op]).join('; ')}: ${a.kind} ${x}, ${b.kind} ${y}`)
  })
  const options = { macs: macsOf(plan) }
  for (const d of compareSnapshots(left.snapshot, right.snapshot, options))
    out.push(`state ${formatDifference(d, [a.kind, b.kind])}`)
  const compare = (what: string, x: Heard | undefined, y: Heard | undefined): void => {
    for (const key of new Set([...(x?.keys() ?? []), ...(y?.keys() ?? [])])) {
      const [p, q] = [x?.get(key) ?? 'absent', y?.get(key) ?? 'absent']
      if (p !== q) out.push(`${what} ${key}: ${a.kind} ${p}, ${b.kind} ${q}`)
    }
  }
  compare('probe', left.cells, right.cells)
  compare('rule', left.counters, right.counters)
  if (left.heard !== undefined && right.heard !== undefined)
    compare('frames', left.heard, right.heard)
  return out
}

async function perform(fabric: Fabric, plan: Plan, frames: boolean): Promise<Done> {
  const netns = netnsOf(plan)
  try {
    const outcomes = await applyInSteps(fabric, plan)
    await fabric.settle({ netns })
    const snapshot = await fabric.snapshot({ netns })
    // An answer to a SYN that was lost comes again after seconds, into another probe's tables.
    if (fabric.kind === 'kernel') await fabric.apply(netns.map(answersOnce), { keepGoing: true })
    const listens = frames && isSilent(snapshot)
    const listening = listens ? await Listening.open(fabric, snapshot) : undefined
    const cells = await matrix(fabric, snapshot, listening)
    const heard = await listening?.close()
    const counters = countersOf(await fabric.snapshot({ netns }))
    return { outcomes, snapshot, cells, heard, counters }
  } finally {
    await fabric.apply(
      netns.map((name) => ({ do: 'netns.del', netns: name })),
      { keepGoing: true },
    )
  }
}

const answersOnce = (netns: string): Op => ({
  do: 'sysctl.set',
  netns,
  key: 'net.ipv4.tcp_synack_retries',
  value: '0',
})

/**
 * Lets everything come to rest before a link is taken down or away: whether an address is still
 * tentative when its link loses carrier is otherwise a matter of milliseconds.
 */
export async function applyInSteps(fabric: Fabric, plan: Plan): Promise<OpOutcome[]> {
  const outcomes: OpOutcome[] = []
  const made = new Set<string>()
  let from = 0
  for (let to = 1; to <= plan.length; to++) {
    const next = plan[to]
    if (next !== undefined && !(takesAway(next) && !takesAway(plan[to - 1] as Op))) continue
    outcomes.push(...(await fabric.apply(plan.slice(from, to), { keepGoing: true })))
    for (const op of plan.slice(from, to)) if (op.do === 'netns.add') made.add(op.netns)
    if (next !== undefined) await fabric.settle({ netns: [...made] })
    from = to
  }
  return outcomes
}

function takesAway(op: Op): boolean {
  if (op.do === 'link.del') return true
  if (op.do !== 'link.set') return false
  return op.up === false || op.newNetns !== undefined || op.master === null
}

/** Nobody there speaks IPv6: what is heard is what was asked. */
function isSilent({ netns }: Snapshot): boolean {
  return netns.every(({ addresses }) =>
    addresses.every(({ link, address }) => link === 'lo' || typeof address.address === 'number'),
  )
}

/** Pair after pair, so that nobody asks, or is asked for, often in a row: errors are rationed. */
function pairs(snapshot: Snapshot, targets: readonly Ip[]): readonly (readonly [number, Ip])[] {
  const all = snapshot.netns.flatMap((_, from) =>
    targets.map((to, at) => ({ from, to, turn: (from + at) % targets.length })),
  )
  return all.toSorted((a, b) => a.turn - b.turn || a.from - b.from).map((p) => [p.from, p.to])
}

async function matrix(
  fabric: Fabric,
  snapshot: Snapshot,
  listening: Listening | undefined,
): Promise<Map<string, string>> {
  const targets = new Map<Ip, string>()
  for (const ns of snapshot.netns)
    for (const { link, address, scope } of ns.addresses)
      if (link !== 'lo' && scope === 'global') targets.set(address.address, ns.name)
  const flush: Op[] = snapshot.netns.flatMap((ns): Op[] => [
    { do: 'neighbour.flush', netns: ns.name },
    ...ns.links
      .filter((link) => link.kind === 'bridge')
      .map((link): Op => ({ do: 'fdb.flush', netns: ns.name, bridge: link.name })),
  ])
  const cells = new Map<string, string>()
  const listeners = await listenOn(fabric, snapshot)
  for (const [number, to] of pairs(snapshot, [...targets.keys()])) {
    const { name } = snapshot.netns[number] as NetnsSnapshot
    for (const what of asked(snapshot, number, to)) {
      await fabric.apply(flush, { keepGoing: true })
      const result = await probeOnce(fabric, { ...probeOf(what, name, to), timeoutMs: TIMEOUT_MS })
      // Errors for want of a route cost a second each of what their receiver has.
      if (result?.outcome === 'icmp-error') await fabric.clock.sleep(1100)
      // A connection says good-bye after its answer.
      if (what.startsWith('tcp')) await rest(fabric, listening)
      const own = (snapshot.netns[number] as NetnsSnapshot).addresses
      const text = result === undefined ? 'nothing' : resultText(result, own)
      cells.set(`${what} ${name} > ${formatIp(to)}`, text)
    }
  }
  for (const listener of listeners) listener.close()
  return cells
}

/**
 * One probe. All namespaces of a kernel share one table of neighbours: where somebody else has
 * filled it (ENOBUFS), the probe is asked again when that has passed.
 */
async function probeOnce(fabric: Fabric, probe: Probe): Promise<ProbeResult | undefined> {
  for (let tries = 0; ; tries++) {
    const [result] = await fabric.probe([probe])
    const isFull = result?.outcome === 'errno' && result.errno === 'ENOBUFS'
    if (!isFull || fabric.kind === 'sim' || tries === 20) return result
    await fabric.clock.sleep(500)
  }
}

/** Until nothing is heard any more. */
async function rest(fabric: Fabric, listening: Listening | undefined): Promise<void> {
  if (listening === undefined || fabric.kind === 'sim') return fabric.clock.sleep(50)
  let quiet = 0
  for (let tries = 0; tries < 60 && quiet < 3; tries++) {
    const before = listening.heard
    await fabric.clock.sleep(20)
    quiet = listening.heard === before ? quiet + 1 : 0
  }
}

export function netnsOf(plan: Plan): string[] {
  return plan.flatMap((op) => (op.do === 'netns.add' ? [op.netns] : []))
}

function outcomeText(outcome: OpOutcome | undefined): string {
  if (outcome === undefined) return 'not done'
  return outcome.ok ? 'ok' : `${outcome.errno} "${outcome.extack ?? ''}"`
}

function resultText(result: ProbeResult, own: NetnsSnapshot['addresses']): string {
  if (isSilence(result, own)) return 'timeout'
  switch (result.outcome) {
    case 'reply':
      return `reply ttl ${result.ttl} from ${formatIp(result.responder)}`
    case 'icmp-error':
      return `icmp ${result.type}/${result.code} from ${formatIp(result.responder)}`
    case 'errno':
      return result.errno
    case 'timeout':
      return 'timeout'
  }
}

/**
 * A neighbour that answers nothing is given up after 3 s: a machine so busy that a probe's own end
 * comes later hears of that first.
 */
function isSilence(result: ProbeResult, own: NetnsSnapshot['addresses']): boolean {
  if (result.outcome !== 'icmp-error' || result.sendErrno !== undefined) return false
  const { type, code, responder } = result
  const isGivenUp =
    typeof responder === 'number' ? type === 3 && code === 1 : type === 1 && code === 3
  return isGivenUp && own.some(({ address }) => address.address === responder)
}
