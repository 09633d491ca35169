/** The suites that run inside a guest. */
import { isOfEngine } from '../../conformance/suite.ts'

interface InsideSuite {
  /** How many of its tests may run side by side: those that share no names. */
  readonly atOnce: number
  /** Adds its tests. */
  load(): Promise<unknown>
}

async function conformance(only: (name: string) => boolean): Promise<void> {
  await (await import('../../conformance/run.uml.test.ts')).addCases(only)
}

export const SUITES: Readonly<Record<string, InsideSuite>> = {
  conformance: { atOnce: 8, load: () => conformance((name) => !isOfEngine(name)) },
  // It looks at all namespaces there are, others' too, which must not go meanwhile.
  engine: { atOnce: 1, load: () => conformance(isOfEngine) },
  'live hosts': { atOnce: 1, load: () => import('../../explain/live.uml.test.ts') },
  'link kinds': { atOnce: 1, load: () => import('../../../src/kernel/link-info.uml.test.ts') },
  snapshots: { atOnce: 1, load: () => import('../../../src/kernel/snapshot.kernel.test.ts') },
}
