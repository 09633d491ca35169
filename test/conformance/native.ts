/**
 * The conformance suite on this machine's kernel. Cases that need what it was built without run in
 * User Mode Linux (test/uml); where that is not installed they are skipped.
 */
import { detectTraits } from '../../src/fabric/traits.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import './cases.ts'
import { lackOf, runConformance } from './suite.ts'

/** Adds the cases whose names are wanted. */
export async function addNative(
  only: (name: string) => boolean,
  concurrent: boolean,
): Promise<void> {
  if (process.getuid?.() !== 0) {
    const cannot = 'needs root for network namespaces'
    runConformance({ open: openKernel, prefix: '', cannot, only })
    return
  }
  const kernel = await openKernel()
  const traits = await detectTraits(kernel, `conf${process.pid}-traits`)
  runConformance({
    open: () => Promise.resolve(kernel),
    prefix: `conf${process.pid}-`,
    lacks: (need) => lackOf(traits, need),
    elsewhere: umlMissing() === undefined,
    only,
    concurrent,
  })
}
