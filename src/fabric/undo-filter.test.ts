import { expect, test } from 'vitest'
import { netnsSnapshot } from '../../test/support/snapshots.ts'
import type { FilterOp, FilterRule } from './filter.ts'
import type { Snapshot } from './snapshot.ts'
import { undoPlan } from './undo.ts'

const forward = { netns: 'h', family: 4, table: 'filter', chain: 'FORWARD' } as const
const drop: FilterRule = { match: { iif: 'a' }, verdict: { do: 'drop' } }
const accept: FilterRule = { match: { oif: 'a' }, verdict: { do: 'accept' } }
const counted = (rule: FilterRule) => ({ ...rule, packets: 5, bytes: 500 })

const BEFORE: Snapshot = {
  netns: [
    netnsSnapshot('h', {
      filters: [
        {
          family: 4,
          table: 'filter',
          chain: 'FORWARD',
          policy: 'drop',
          rules: [counted(accept), counted(drop)],
        },
      ],
    }),
  ],
}

const back = (op: FilterOp, before?: Snapshot) => undoPlan([op], before).plan

test('undoFilter removes what was added, by what it says', () => {
  expect(back({ do: 'filter.add', ...forward, rule: drop })).toEqual([
    { do: 'filter.del', ...forward, rule: drop },
  ])
  expect(back({ do: 'filter.add', ...forward, rule: drop, at: 1 })).toEqual([
    { do: 'filter.del', ...forward, rule: drop },
  ])
  expect(back({ do: 'filter.chain-add', ...forward, chain: 'mine' })).toEqual([
    { do: 'filter.chain-del', ...forward, chain: 'mine' },
  ])
})

test('undoFilter brings back rules and policies as the snapshot has them', () => {
  const again = (rule: FilterRule, at: number) => ({ do: 'filter.add', ...forward, rule, at })
  expect(back({ do: 'filter.del', ...forward, rule: drop }, BEFORE)).toEqual([again(drop, 2)])
  expect(back({ do: 'filter.del', ...forward, rule: 1 }, BEFORE)).toEqual([again(accept, 1)])
  expect(back({ do: 'filter.flush', netns: 'h', family: 4, table: 'filter' }, BEFORE)).toEqual([
    again(accept, 1),
    again(drop, 2),
  ])
  const policy = { do: 'filter.policy', ...forward, policy: 'accept' } as const
  expect(back(policy, BEFORE)).toEqual([{ ...policy, policy: 'drop' }])
  expect(back({ ...policy, chain: 'INPUT', policy: 'drop' }, BEFORE)).toEqual([
    { ...policy, chain: 'INPUT' },
  ])
})

test('undoFilter does not guess without a snapshot', () => {
  const op: FilterOp = { do: 'filter.del', ...forward, rule: 1 }
  expect(undoPlan([op])).toEqual({ plan: [], kept: [op] })
})
