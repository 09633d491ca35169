/** Random worlds in which somebody does not reach somebody: what is said of each must hold. */
import { expect, test } from 'vitest'
import { ask, forget } from '../../src/explain/ask.ts'
import { explain, quiet } from '../../src/explain/explain.ts'
import { HEADLINE } from '../../src/explain/headline.ts'
import { Scene } from '../../src/explain/scene.ts'
import { applies } from '../../src/explain/search.ts'
import type { Question } from '../../src/explain/question.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { takeSnapshot } from '../../src/sim/snapshot.ts'
import { drawWorld } from '../differential/draw.ts'

const WORLDS = 300

/** The first pair of a drawn world that fails from empty tables, the pairs turned by the seed. */
async function failing(
  seed: number,
): Promise<{ readonly fabric: SimFabric; readonly question: Question } | undefined> {
  const fabric = openSim({ seed: 7 })
  const { plan } = drawWorld(seed, '', fabric.world.traits)
  fabric.applyNow(plan, { keepGoing: true })
  await fabric.settle()
  const scene = new Scene(takeSnapshot(fabric.world))
  const ends = scene.snapshot.netns
    .map((n) => n.name)
    .filter((name) => scene.addresses(name, 4).length > 0)
  const pairs = ends.flatMap((from) => ends.filter((to) => to !== from).map((to) => [from, to]))
  const base = quiet(fabric)
  for (let i = 0; i < pairs.length; i++) {
    const [from, to] = pairs[(i + seed) % pairs.length] as [string, string]
    const target = scene.addresses(to, 4)[0]?.address.address as number
    const question: Question = { from, to, target, protocol: 'icmp' }
    forget(base)
    if (!ask(base, question).ok) return { fabric, question }
  }
  return undefined
}

test(`explain: of ${WORLDS} random failures each has one decisive step, and every remedy works`, {
  timeout: 300_000,
}, async () => {
  let worlds = 0
  let mended = 0
  for (let seed = 1; worlds < WORLDS; seed++) {
    const found = await failing(seed)
    if (found === undefined) continue
    worlds++
    const { fabric, question } = found
    const why = explain(fabric, question, { trials: 30, effects: false })
    const label = `seed ${seed} ${question.from} -> ${question.to}`
    expect(why.verdict, label).not.toBe('ok')
    expect(why.code, label).toBeDefined()
    expect(why.headline.length, label).toBeLessThanOrEqual(HEADLINE)
    const marks = why.way.flatMap((leg) => leg.hops.filter((hop) => hop.decisive))
    expect(marks, label).toHaveLength(1)
    if (why.remedies.length > 0) mended++
    for (const { title, plan, undo } of why.remedies) {
      const trial = quiet(fabric)
      expect(applies(trial, plan), `${label}: ${title}`).toBe(true)
      expect(ask(trial, question).ok, `${label}: ${title}`).toBe(true)
      const refused = trial.applyNow(undo, { keepGoing: true }).filter((o) => !o.ok)
      expect(refused, `${label}: undo of ${title}`).toEqual([])
      forget(trial)
      expect(ask(trial, question).ok, `${label}: undo of ${title}`).toBe(false)
    }
  }
  // A search that finds nothing would keep every promise.
  expect(mended).toBeGreaterThan(WORLDS * 0.6)
})
