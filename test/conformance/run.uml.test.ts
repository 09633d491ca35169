/** The conformance suite inside User Mode Linux, which has every module it needs. */
import { detectTraits } from '../../src/fabric/traits.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import './cases.ts'
import { lackOf, runConformance } from './suite.ts'

/** Adds the cases whose names are wanted. */
export async function addCases(only: (name: string) => boolean): Promise<void> {
  const kernel = await openKernel()
  const traits = await detectTraits(kernel, 'conf-traits')
  runConformance({
    open: () => Promise.resolve(kernel),
    prefix: 'conf',
    lacks: (need) => lackOf(traits, need),
    only,
  })
}
