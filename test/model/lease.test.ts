/**
 * The lease protocol in the model: 2,000 seeds find nothing, and each of the protocol's guards, left
 * out, is missed. `npm run model` plays 100,000.
 */
import { describe, expect, test } from 'vitest'
import type { Condition, Transaction } from '../../src/store/store.ts'
import { ModelRun } from './run.ts'
import type { Mutation } from './truth.ts'

const SEEDS = 2000
const PARTS = 8

describe('leases of several hosts in the model', () => {
  for (let part = 0; part < PARTS; part++)
    test(`part ${part + 1} of ${PARTS}`, { timeout: 300_000 }, async () => {
      let answered = 0
      for (let seed = part + 1; seed <= SEEDS; seed += PARTS)
        answered += (await new ModelRun({ seed }).run()).answered
      expect(answered).toBeGreaterThan(SEEDS / PARTS)
    })

  test('the same seed plays the same', async () => {
    const [one, two] = [
      await new ModelRun({ seed: 77 }).run(),
      await new ModelRun({ seed: 77 }).run(),
    ]
    expect(one).toEqual(two)
  })
})

/** A mutation that leaves conditions out where a transaction writes leases. */
const without =
  (drop: (condition: Condition) => boolean): Mutation =>
  (asked: Transaction) => ({ ...asked, when: asked.when.filter((one) => !drop(one)) })

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'an address need not be free': without((c) => c.key.startsWith('ipam/ip/')),
  'a lease need not be new, nor the released one meant': without((c) =>
    c.key.startsWith('ipam/end/'),
  ),
  'an address hangs on a ttl': (asked) => ({
    ...asked,
    then: asked.then.map((write) =>
      'put' in write && write.put.startsWith('ipam/ip/') ? { ...write, ttlSeconds: 60 } : write,
    ),
  }),
}

describe('the model notices when', () => {
  for (const [what, mutation] of Object.entries(MUTATIONS))
    test(what, { timeout: 300_000 }, async () => {
      const play = async (): Promise<string> => {
        for (let seed = 1; seed <= 600; seed++) {
          const found = await new ModelRun({ seed, mutation }).run().then(
            () => undefined,
            (error: unknown) => String(error),
          )
          if (found !== undefined) return found
        }
        return 'nothing'
      }
      expect(await play()).toMatch(/invariant [1-9]|at the end/)
    })
})
