/** Expectations against what was measured. */
import { formatIp, type Prefix } from '../addr/ip.ts'
import { addressTowards, type Cell, type Pair } from './probing.ts'
import {
  type AddressedNode,
  type Expectation,
  type Member,
  nodesOf,
  type Topology,
} from './topology.ts'

/** An expectation and how it went. */
export interface Judged {
  readonly text: string
  readonly line: number
  readonly met: boolean
  /** Pairs looked at. */
  readonly pairs: number
  /** What differs from the expectation, one sentence a pair. */
  readonly misses: readonly string[]
}

/** A pair an expectation speaks of, or the sentence why there is none. */
type Asked = Pair | string

/** Every ordered pair of nodes that both have an address of a family. */
export function matrixPairs(topology: Topology, family: 4 | 6): Pair[] {
  const nodes = matrixNodes(topology, family)
  return nodes.flatMap((from) =>
    nodes
      .filter((to) => to !== from)
      .map((to) => pairBetween(from, to, undefined, undefined, family) as Pair),
  )
}

/** The nodes that have an address of a family. */
export function matrixNodes(topology: Topology, family: 4 | 6): AddressedNode[] {
  return nodesOf(topology).filter((n) => prefixes(n, undefined).some((p) => familyIs(p, family)))
}

/** The pairs an expectation asks about. */
export function askedPairs(topology: Topology, expectation: Expectation): Asked[] {
  const { from, to, both } = expectation
  const nodes = new Map(nodesOf(topology).map((node) => [node.name, node]))
  const forth = from.flatMap((a) => to.map((b) => asked(nodes, expectation, a, b)))
  const back = both ? to.flatMap((a) => from.map((b) => asked(nodes, expectation, a, b))) : []
  return [...forth, ...back].filter((pair) => pair !== undefined)
}

function asked(
  nodes: ReadonlyMap<string, AddressedNode>,
  expectation: Expectation,
  a: Member,
  b: Member,
): Asked | undefined {
  const from = nodes.get(a.node ?? '')
  if (from === undefined || (a.node === b.node && a.link === b.link)) return undefined
  if (b.ip !== undefined) {
    const own = [...nodes.values()].find((n) => n.addresses.some((x) => x.prefix.address === b.ip))
    const { name } = from
    return {
      ...{ from: name, to: own?.name, target: b.ip, source: sourceOf(from, a, b.ip) },
      ...how(expectation),
    }
  }
  const to = nodes.get(b.node ?? '')
  if (to === undefined) return undefined
  const has = (n: AddressedNode, f: 4 | 6) => prefixes(n, undefined).some((p) => familyIs(p, f))
  const family = expectation.family ?? (has(from, 4) && has(to, 4) ? 4 : 6)
  const pair = pairBetween(from, to, a, b, family)
  if (pair !== undefined) return { ...pair, ...how(expectation) }
  const lacking = has(to, family) ? from : to
  return `${lacking.name} has no IPv${family} address`
}

/** What is sent, and how long it may take. */
function how({
  service,
  withinMs,
  via,
  as,
}: Expectation): Pick<Pair, 'service' | 'withinMs' | 'hops' | 'look'> {
  return {
    ...(service === undefined ? {} : { service }),
    ...(withinMs === undefined ? {} : { withinMs }),
    ...(via === undefined ? {} : { hops: true }),
    ...(as === undefined ? {} : { look: true }),
  }
}

function pairBetween(
  from: AddressedNode,
  to: AddressedNode,
  a: Member | undefined,
  b: Member | undefined,
  family: 4 | 6,
): Pair | undefined {
  const own = prefixes(from, a?.link)
  const target = addressTowards(prefixes(to, b?.link), own, family)
  if (target === undefined || !own.some((p) => familyIs(p, family))) return undefined
  return { from: from.name, to: to.name, target, source: sourceOf(from, a, target) }
}

/** Only an expectation that names a link binds its address. */
function sourceOf(from: AddressedNode, member: Member | undefined, target: Pair['target']) {
  if (member?.link === undefined) return undefined
  const family = typeof target === 'bigint' ? 6 : 4
  return addressTowards(prefixes(from, member.link), [], family)
}

function prefixes(node: AddressedNode, link: string | undefined): Prefix[] {
  return node.addresses.filter((a) => link === undefined || a.link === link).map((a) => a.prefix)
}

function familyIs(prefix: Prefix, family: 4 | 6): boolean {
  return (typeof prefix.address === 'bigint') === (family === 6)
}

/** Compares an expectation with the cells of its pairs. */
export function judge(
  expectation: Expectation,
  asked: readonly Asked[],
  cells: readonly Cell[],
): Judged {
  const misses = [
    ...asked.filter((a) => typeof a === 'string'),
    ...cells.flatMap((cell) => miss(expectation, cell) ?? []),
  ]
  const { text, line } = expectation
  return { text, line, met: misses.length === 0, pairs: asked.length, misses }
}

function miss(expectation: Expectation, cell: Cell): string | undefined {
  const who = `${cell.from} -> ${cell.to ?? 'it'}`
  const { verdict, ttl, why, via, as, withinMs } = expectation
  if (cell.ok !== (verdict === 'ok')) {
    const shown = cell.ttl === undefined ? '' : `, ttl ${cell.ttl}`
    return cell.ok ? `${who} works${shown}` : `${who} fails: ${whyText(cell)}`
  }
  const tookMs = (cell.rttNs ?? 0) / 1e6
  if (cell.ok && withinMs !== undefined && tookMs > withinMs) {
    return `${who} works, but takes ${tookMs.toFixed(tookMs < 1 ? 3 : 0)} ms, not ${withinMs}`
  }
  if (as !== undefined && cell.seen !== as) {
    const seen = cell.seen === undefined ? 'but is not seen there' : `as ${formatIp(cell.seen)}`
    return `${who} works ${seen}, not as ${formatIp(as)}`
  }
  if (via !== undefined && cell.way?.join() !== via.join()) {
    const way = cell.way?.length === 0 ? 'directly' : `via ${cell.way?.join(',')}`
    return `${who} works ${way}, not via ${via.join(',')}`
  }
  if (ttl !== undefined && cell.ttl !== ttl) return `${who} works with ttl ${cell.ttl}, not ${ttl}`
  // A kernel gives no code: there the verdict alone counts.
  const code = cell.why?.code
  if (why !== undefined && code !== undefined && code !== why) {
    return `${who} fails as expected, but because of ${whyText(cell)}`
  }
  return undefined
}

/** `BRIDGE_NO_HAIRPIN at sw:p0: the frame ...` */
export function whyText(cell: Cell): string {
  const { why } = cell
  if (why === undefined) return ''
  return why.code === undefined ? why.text : `${why.code} at ${why.at}: ${why.text}`
}
