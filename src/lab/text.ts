/** Words about words: near misses and lists, for the error sentences of a lab. */

/** `a, b and c` */
export function listed(names: Iterable<string>): string {
  const all = [...names]
  const last = all.pop()
  if (last === undefined) return 'none'
  return all.length === 0 ? last : `${all.join(', ')} and ${last}`
}

/** The name meant by a mistyped one, if one is near enough. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase()
  const limit = Math.max(1, Math.floor(name.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of names) {
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const meant = nearest(name, names)
  return meant === undefined ? '' : ` (did you mean "${meant}"?)`
}

/** Damerau-Levenshtein distance: letters added, lost, changed, or two neighbours swapped. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + (same ? 0 : 1),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] as number) + 1)
      }
      next.push(cost)
    }
    before = row
    row = next
  }
  return row[b.length] as number
}
