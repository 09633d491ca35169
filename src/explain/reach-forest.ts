/**
 * The forest of namespaces: who hangs on whom. Leaves are taken away round by round until the
 * middle is left (a switch, mostly), so that every pair of namespaces meets at one place, and what
 * hangs elsewhere is no part of its way. What lies on a circle stays: all of it is middle.
 */
import type { Facts } from './reach-facts.ts'

export interface Forest {
  readonly facts: readonly Facts[]
  readonly byName: ReadonlyMap<string, number>
  /** The one it hangs on; -1 for a root. */
  readonly parent: Int32Array
  readonly depth: Int32Array
  /** Children before parents. */
  readonly upwards: readonly number[]
  /** On a circle. */
  readonly onCircle: Uint8Array
}

export function growForest(facts: readonly Facts[]): Forest {
  const byName = new Map(facts.map((f, i) => [f.snapshot.name, i]))
  const count = facts.length
  const { first, list } = neighboursOf(facts, byName)
  const left = first.subarray(1).map((end, i) => end - (first[i] as number))
  const gone = new Uint8Array(count)
  const parent = new Int32Array(count).fill(-1)
  const upwards: number[] = []
  for (let i = 0; i < count; i++) if ((left[i] as number) <= 1) upwards.push(i)
  const queued = new Uint8Array(count)
  for (const i of upwards) queued[i] = 1
  for (let at = 0; at < upwards.length; at++) {
    const i = upwards[at] as number
    gone[i] = 1
    for (let k = first[i] as number; k < (first[i + 1] as number); k++) {
      const j = list[k] as number
      if (gone[j] === 1) continue
      parent[i] = j
      left[j] = (left[j] as number) - 1
      if (left[j] <= 1 && queued[j] === 0) {
        queued[j] = 1
        upwards.push(j)
      }
    }
  }
  const onCircle = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    if (gone[i] === 1) continue
    onCircle[i] = 1
    upwards.push(i)
  }
  const depth = new Int32Array(count)
  for (let at = count - 1; at >= 0; at--) {
    const i = upwards[at] as number
    const p = parent[i] as number
    depth[i] = p < 0 ? 0 : (depth[p] as number) + 1
  }
  return { facts, byName, parent, depth, upwards, onCircle }
}

/** Whom a namespace's links lead to, or who has links that lead to it: each once. */
interface Neighbours {
  /** Of the namespace i: from the place first[i] up to first[i + 1]. */
  readonly first: Int32Array
  readonly list: Int32Array
}

function neighboursOf(facts: readonly Facts[], byName: ReadonlyMap<string, number>): Neighbours {
  const count = facts.length
  /** Both ends of each edge, one after the other. */
  const ends: number[] = []
  const edges = new Set<number>()
  for (let i = 0; i < count; i++) {
    let before = -1
    for (const { leads } of (facts[i] as Facts).links) {
      const j = leads === undefined ? undefined : byName.get(leads)
      if (j === undefined || j === i || j === before) continue
      before = j
      const edge = i < j ? i * count + j : j * count + i
      // A cable has two ends.
      if (edges.has(edge)) continue
      edges.add(edge)
      ends.push(i, j)
    }
  }
  return listed(ends, count)
}

function listed(ends: readonly number[], count: number): Neighbours {
  const first = new Int32Array(count + 1)
  for (const i of ends) first[i + 1] = (first[i + 1] as number) + 1
  for (let i = 0; i < count; i++) first[i + 1] = (first[i + 1] as number) + (first[i] as number)
  const list = new Int32Array(ends.length)
  const next = first.slice()
  for (let at = 0; at < ends.length; at++) {
    const i = ends[at] as number
    list[next[i] as number] = ends[at ^ 1] as number
    next[i] = (next[i] as number) + 1
  }
  return { first, list }
}

/** The namespaces from one up to its root, itself first. */
export function upFrom({ parent }: Forest, i: number): number[] {
  const out: number[] = []
  for (let at = i; at >= 0; at = parent[at] as number) out.push(at)
  return out
}

/** Depth at which the ways up of two namespaces meet; -1 where they do not. */
export function meetingDepth({ parent, depth }: Forest, i: number, j: number): number {
  let [a, b] = [i, j]
  while (a !== b) {
    if (a < 0 || b < 0) return -1
    if ((depth[a] as number) >= (depth[b] as number)) a = parent[a] as number
    else b = parent[b] as number
  }
  return a < 0 ? -1 : (depth[a] as number)
}
