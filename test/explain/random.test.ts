/** Random worlds in which somebody does not reach somebody: what is said of each must hold. */
import { expect, test } from 'vitest'
import { HEADLINE } from '../../src/explain/headline.ts'
import { brokenPromises, explainWorld, failingIn } from './failing.ts'

/** `npm run remedies -- --count 1000 --seed S` does as many as one likes. */
const WORLDS = 300
/** Trials of a search; the command tries as many as explain does. */
const TRIALS = 30

test(`explain: of ${WORLDS} random failures each has one decisive step, and every remedy works`, {
  timeout: 300_000,
}, async () => {
  let worlds = 0
  let mended = 0
  for (let seed = 1; worlds < WORLDS; seed++) {
    const world = await failingIn(seed)
    if (world === undefined) continue
    worlds++
    const why = explainWorld(world, TRIALS)
    const label = `seed ${seed} ${world.question.from} -> ${world.question.to}`
    expect(why.verdict, label).not.toBe('ok')
    expect(why.code, label).toBeDefined()
    expect(why.headline.length, label).toBeLessThanOrEqual(HEADLINE)
    const marks = why.way.flatMap((leg) => leg.hops.filter((hop) => hop.decisive))
    expect(marks, label).toHaveLength(1)
    if (why.remedies.length > 0) mended++
    expect(brokenPromises(world, why), label).toEqual([])
  }
  // A search that finds nothing would keep every promise.
  expect(mended).toBeGreaterThan(WORLDS * 0.6)
})
