/** What changes between two states of a network: pairs that begin or cease to work, by name. */
import { Reach, type ReachCell } from './reach.ts'

export interface Changed {
  readonly from: string
  readonly to: string
  readonly before: ReachCell
  readonly after: ReachCell
}

export interface Change {
  /** Ordered pairs that work now and did not, and the other way round. */
  readonly opened: number
  readonly closed: number
  /** Pairs that fail as before, for another reason. */
  readonly otherwise: number
  /** Endpoints that are only there before, or only after: their pairs are not counted. */
  readonly gone: readonly string[]
  readonly fresh: readonly string[]
  /** Changed pairs, class of pairs by class of pairs, each told once. */
  readonly kinds: readonly ChangeKind[]
}

/** Pairs that change alike. */
export interface ChangeKind {
  readonly count: number
  readonly before: ReachCell
  readonly after: ReachCell
  /** The pairs themselves. */
  pairs(): Generator<readonly [from: string, to: string]>
}

/**
 * Compares two states.
 *
 * @example
 * ```ts
 * const memory = new ReachMemory()
 * const before = new Reach(snapshot, { memory })
 * const { opened, closed } = changeBetween(before, new Reach(changed, { memory }))
 * ```
 */
export function changeBetween(before: Reach, after: Reach): Change {
  const old = new Set(before.endpoints)
  const now = new Set(after.endpoints)
  const kinds: ChangeKind[] = []
  let [opened, closed, otherwise] = [0, 0, 0]
  for (const joint of Reach.jointly(before, after)) {
    const { before: was, after: is, count } = joint
    if (was.ok === is.ok && was.code === is.code) continue
    if (is.ok) opened += count
    else if (was.ok) closed += count
    else otherwise += count
    kinds.push(joint)
  }
  return {
    opened,
    closed,
    otherwise,
    gone: [...old].filter((name) => !now.has(name)),
    fresh: [...now].filter((name) => !old.has(name)),
    kinds: kinds.sort((a, b) => Number(a.before.ok) - Number(b.before.ok) || b.count - a.count),
  }
}

/** The changed pairs by name, those that begin to work first; at most so many. */
export function changedPairs(change: Change, most: number): Changed[] {
  const out: Changed[] = []
  for (const kind of change.kinds) {
    for (const [from, to] of kind.pairs()) {
      if (out.length >= most) return out
      out.push({ from, to, before: kind.before, after: kind.after })
    }
  }
  return out
}
