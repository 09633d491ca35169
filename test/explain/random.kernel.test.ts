/**
 * A few random failing worlds on the kernel: a remedy of each done there, and where frames went
 * beside the kernel's own trace events. `npm run remedies` does as many as one likes.
 */
import { describe, expect, test } from 'vitest'
import { detectTraits } from '../../src/fabric/traits.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { describeKernel } from '../describe-kernel.ts'
import { drawWorld } from '../differential/draw.ts'
import { explainWorld, failingIn } from './failing.ts'
import { KernelTrace, traceMissing } from './kernel-trace.ts'
import { hopsOnKernel, matrixOnKernel, remedyOnKernel, TRACED } from './on-kernel.ts'

const WORLDS = 8
const AT_ONCE = 4
/** Pairs of a world, at least. */
const SAMPLE = 8

const missing = process.getuid?.() === 0 ? traceMissing() : undefined
const traced = missing === undefined || process.env['CI'] === 'true'

describeKernel('random failing worlds', () => {
  test(`explain: a remedy of each of ${WORLDS} worlds works on the kernel`, async () => {
    const kernel = await openKernel()
    try {
      const traits = await detectTraits(kernel, `r${process.pid}-traits`)
      await eachSeed(async (seed) => {
        const world = await failingIn(seed, `r${process.pid}-${seed}-`, traits)
        const why = world === undefined ? undefined : explainWorld(world, 30)
        const remedy = why?.remedies[seed % Math.max(why.remedies.length, 1)]
        if (world === undefined || remedy === undefined) return false
        expect(await remedyOnKernel(kernel, world, remedy), `seed ${seed}`).toEqual([])
        return true
      })
    } finally {
      await kernel.close()
    }
  })

  for (const family of [4, 6] as const)
    test(`Reach: cells of the matrix of ${WORLDS} worlds are what the kernel does, IPv${family}`, async () => {
      const kernel = await openKernel()
      try {
        const traits = await detectTraits(kernel, `r${process.pid}-traits`)
        const all = { asked: 0, works: 0 }
        await eachSeed(async (seed) => {
          const world = drawWorld(seed, `m${process.pid}-${family}-${seed}-`, traits)
          const { asked, works, differs } = await matrixOnKernel(kernel, world, family, SAMPLE)
          expect(differs, `seed ${seed}`).toEqual([])
          all.asked += asked
          all.works += works
          return asked > 0
        })
        expect(all.works).toBeGreaterThan(WORLDS / 2)
        expect(all.asked - all.works).toBeGreaterThan(WORLDS / 2)
      } finally {
        await kernel.close()
      }
    })

  describe.skipIf(!traced)(traced ? 'traced' : `traced (skipped: ${missing})`, () => {
    test(`explain: the kernel traced what is said of each of ${WORLDS} worlds`, async () => {
      const kernel = await openKernel()
      const trace = new KernelTrace(TRACED)
      try {
        const traits = await detectTraits(kernel, `r${process.pid}-traits`)
        let decided = 0
        await eachSeed(async (seed) => {
          const judged = await hopsOnKernel(kernel, trace, seed, traits)
          if (judged === undefined) return false
          expect(judged.differs, `seed ${seed}`).toEqual([])
          if (judged.told.decided !== undefined) decided++
          return true
        })
        expect(decided).toBeGreaterThan(WORLDS / 2)
      } finally {
        trace.close()
        await kernel.close()
      }
    })
  })
})

/** Seeds from 1 on, some side by side, until so many counted. */
async function eachSeed(judge: (seed: number) => Promise<boolean>): Promise<void> {
  let next = 1
  let counted = 0
  const worker = async (): Promise<void> => {
    while (counted < WORLDS) if (await judge(next++)) counted++
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
