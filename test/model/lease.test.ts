/**
 * The lease protocol in the model: 2,000 seeds find nothing, and when the protocol is broken on
 * purpose something is. `npm run model` plays 100,000.
 */
import { describe, expect, test } from 'vitest'
import type { Condition, Transaction, Write } from '../../src/store/store.ts'
import { ModelRun, type RunOptions } from './run.ts'
import type { Mutation } from './truth.ts'

const SEEDS = 2000
const PARTS = 8
/** Of each; the nightly runs are longer. */
const STEPS = 250

describe('leases of several hosts in the model', () => {
  for (let part = 0; part < PARTS; part++)
    test(`part ${part + 1} of ${PARTS}`, { timeout: 300_000 }, async () => {
      let answered = 0
      for (let seed = part + 1; seed <= SEEDS; seed += PARTS)
        answered += (await new ModelRun({ seed, steps: STEPS }).run()).answered
      expect(answered).toBeGreaterThan(SEEDS / PARTS / 2)
    })

  test('the same seed plays the same', async () => {
    const [one, two] = [
      await new ModelRun({ seed: 77 }).run(),
      await new ModelRun({ seed: 77 }).run(),
    ]
    expect(one).toEqual(two)
  })

  test('clocks that are off choose nothing', { timeout: 300_000 }, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { given } = await new ModelRun({ seed, skew: false }).run()
      expect((await new ModelRun({ seed }).run()).given).toEqual(given)
    }
  })
})

/** A mutation that leaves conditions out, of the transactions that write such a key. */
const without =
  (drop: (condition: Condition) => boolean, writes = ''): Mutation =>
  (asked: Transaction) => {
    const meant = asked.then.some((one) =>
      `${'put' in one ? '+' : '-'}${keyOf(one)}`.startsWith(writes),
    )
    return meant ? { ...asked, when: asked.when.filter((one) => !drop(one)) } : asked
  }

const keyOf = (write: Write): string => ('put' in write ? write.put : write.delete)

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'an address need not be free': without((c) => c.key.startsWith('ipam/ip/')),
  'a MAC need not be free': without((c) => c.key.startsWith('ipam/mac/')),
  'an endpoint may have a lease already': without(
    (c) => c.key.startsWith('ipam/end/'),
    '+ipam/end/',
  ),
  'what is kept for another is handed out': without((c) => c.key.startsWith('ipam/rsv/')),
  'a release means whatever is there': without(() => true, '-ipam/end/'),
  'a lease is answered that was not written': (asked) => ({
    ...asked,
    then: asked.then.filter((write) => !('put' in write && write.put.startsWith('ipam/end/'))),
  }),
  'an address hangs on a ttl': (asked) => ({
    ...asked,
    then: asked.then.map((write) =>
      'put' in write && write.put.startsWith('ipam/ip/') ? { ...write, ttlSeconds: 60 } : write,
    ),
  }),
}

/** What is found in 600 seeds of a protocol that is broken on purpose. */
async function found(broken: Partial<RunOptions>): Promise<string> {
  for (let seed = 1; seed <= 600; seed++) {
    const one = await new ModelRun({ ...broken, seed, steps: STEPS }).run().then(
      () => undefined,
      (error: unknown) => String(error),
    )
    if (one !== undefined) return one
  }
  return 'nothing'
}

describe('the model notices when', () => {
  for (const [what, mutation] of Object.entries(MUTATIONS))
    test(what, { timeout: 300_000 }, async () => {
      expect(await found({ mutation, spares: 0 })).toMatch(/invariant [1-9]|at the end/)
    })

  test('a spare that goes means whatever is there', { timeout: 300_000 }, async () => {
    const mutation = without(() => true, '-ipam/end/eth0/lan/~')
    expect(await found({ mutation })).toMatch(/invariant [1-9]/)
  })

  test('what took a spare is not written down', { timeout: 300_000 }, async () => {
    const writes = (text: string): string =>
      JSON.stringify({ ...(JSON.parse(text) as object), endpoints: {} })
    expect(await found({ writes })).toMatch(/invariant [1-9]/)
  })
})
