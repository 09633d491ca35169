/** The suites that run inside a guest. */
interface InsideSuite {
  /** How many of its tests may run side by side: those that share no names. */
  readonly atOnce: number
  /** Adds its tests. */
  load(): Promise<unknown>
}

export const SUITES: Readonly<Record<string, InsideSuite>> = {
  conformance: { atOnce: 8, load: () => import('../../conformance/run.uml.test.ts') },
  'link kinds': { atOnce: 1, load: () => import('../../../src/kernel/link-info.uml.test.ts') },
  snapshots: { atOnce: 1, load: () => import('../../../src/kernel/snapshot.kernel.test.ts') },
}
