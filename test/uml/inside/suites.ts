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

async function moby(only: (name: string) => boolean): Promise<void> {
  ;(await import('../../docker/moby.uml.test.ts')).addMoby(only)
}

async function walkthroughs(): Promise<void> {
  const { addChapters } = await import('../../docker/seeds.uml.test.ts')
  addChapters(({ needs }) => needs.length > 0)
}

const isIpvlan = (name: string): boolean => /ipvlan/i.test(name)

export const SUITES: Readonly<Record<string, InsideSuite>> = {
  conformance: { atOnce: 8, load: () => conformance((name) => !isOfEngine(name)) },
  // It looks at all namespaces there are, others' too, which must not go meanwhile.
  engine: { atOnce: 1, load: () => conformance(isOfEngine) },
  'live hosts': { atOnce: 1, load: () => import('../../explain/live.uml.test.ts') },
  'link kinds': { atOnce: 1, load: () => import('../../../src/kernel/link-info.uml.test.ts') },
  'docker walkthroughs': { atOnce: 1, load: walkthroughs },
  'docker moby macvlan': { atOnce: 1, load: () => moby((name) => !isIpvlan(name)) },
  'docker moby ipvlan': { atOnce: 1, load: () => moby(isIpvlan) },
  snapshots: { atOnce: 1, load: () => import('../../../src/kernel/snapshot.kernel.test.ts') },
}
