/**
 * The order test files start in: those that take long first, so that none of them is left to run
 * alone at the end. Seconds are what they took on two processors; a file not named here is short.
 */
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const ROOT = `${import.meta.dirname}/../..`
const SECONDS: Readonly<Record<string, number>> = {
  'test/cli/examples.kernel.test.ts': 200,
  'test/uml/suites.kernel.test.ts': 150,
  'test/uml/differential.kernel.test.ts': 80,
  'test/conformance/run-engine.kernel.test.ts': 60,
  'test/cli/uml.kernel.test.ts': 50,
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => secondsOf(b) - secondsOf(a))
  }
}

function secondsOf({ moduleId }: TestSpecification): number {
  return SECONDS[relative(ROOT, moduleId)] ?? 0
}
