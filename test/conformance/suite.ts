/**
 * One body, every fabric: a case says what must hold, and runs on the simulator and on a real
 * kernel. What it expects was read off a kernel, never reasoned; where a fabric cannot run a case
 * the runner says so by name and reason.
 */
import { afterAll, test } from 'vitest'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import type { KernelTraits } from '../../src/fabric/traits.ts'

/** What a case gets: a fabric, and its own names on it. */
export interface Bench {
  readonly fabric: Fabric
  /** The namespace this case calls so. */
  ns(name: string): string
  /** Does ops that must all succeed. */
  build(...ops: readonly (Op | readonly Op[])[]): Promise<void>
}

/** What not every kernel was built with. */
export type Need = 'vlan' | 'ipvlan' | 'dummy' | 'netem' | 'vlan filtering'

interface Case {
  readonly name: string
  readonly needs: readonly Need[]
  readonly body: (bench: Bench) => Promise<void>
}

const CASES: Case[] = []

/** Adds a case to the suite. */
export function conforms(
  name: string,
  body: (bench: Bench) => Promise<void>,
  ...needs: readonly Need[]
): void {
  CASES.push({ name, body, needs })
}

/** Why a kernel of these traits cannot run what needs this; undefined when it can. */
export function lackOf(traits: KernelTraits, need: Need): string | undefined {
  const has =
    need === 'vlan filtering' ? traits.bridgeVlanFiltering : !traits.missingKinds.includes(need)
  return has ? undefined : `this kernel has no ${need}`
}

/** Cases that look at all namespaces there are, which must not go meanwhile: one at a time. */
export const isOfEngine = (name: string): boolean => name.startsWith('engine:')

/** Makes every case of the suite a test on one fabric. */
export function runConformance(options: {
  /** A fabric for one case; simulators are made afresh, a kernel is there once. */
  readonly open: () => Promise<Fabric>
  readonly prefix: string
  /** Put before the names of the tests. */
  readonly title?: string
  /** Why nothing can run here; the cases are then skipped under that reason. */
  readonly cannot?: string | undefined
  /** Why it cannot run what needs this. */
  readonly lacks?: (need: Need) => string | undefined
  /** What it cannot run for a lack runs on another kernel: it is not even named here. */
  readonly elsewhere?: boolean
  /** Only cases whose names it says yes to. */
  readonly only?: (name: string) => boolean
  /** Several at a time: on a kernel they mostly wait. */
  readonly concurrent?: boolean
}): void {
  const opened: Fabric[] = []
  let number = 0
  for (const { name, body, needs } of CASES) {
    if (options.only?.(name) === false) continue
    const lack = needs.map((need) => options.lacks?.(need)).find((why) => why !== undefined)
    if (lack !== undefined && options.elsewhere === true) continue
    const why = options.cannot ?? lack
    const full = options.title === undefined ? name : `${options.title}, ${name}`
    const title = why === undefined ? full : `${full} (skipped: ${why})`
    const add = options.concurrent === true ? test.concurrent : test
    const addOne = why === undefined ? add : test.skip
    addOne(title, async () => {
      const fabric = await options.open()
      opened.push(fabric)
      const mine = `${options.prefix}${number++}-`
      const made = new Set<string>()
      const ns = (short: string): string => `${mine}${short}`
      const build = async (...ops: readonly (Op | readonly Op[])[]): Promise<void> => {
        const plan = ops.flat()
        for (const op of plan) if (op.do === 'netns.add') made.add(op.netns)
        await fabric.apply(plan)
      }
      try {
        await body({ fabric, ns, build })
      } finally {
        await fabric.apply(
          [...made].map((netns): Op => ({ do: 'netns.del', netns })),
          { keepGoing: true },
        )
      }
    })
  }
  afterAll(async () => {
    for (const fabric of new Set(opened)) await fabric.close()
  })
}
