import { expect, test } from 'vitest'
import { linkSnapshot, netnsSnapshot } from '../../test/support/snapshots.ts'
import { formatNetem, parseNetem, parsePercent, parseTcRate, parseTcTime } from './netem.ts'
import type { Op } from './plan.ts'
import { printPlan } from './print-ip.ts'
import { undoPlan } from './undo.ts'

test('times, rates and percentages are read as tc reads them', () => {
  expect(['100ms', '2s', '1.5s', '500us', '7', '64ns', '1h', ''].map(parseTcTime)).toEqual([
    100_000_000,
    2_000_000_000,
    1_500_000_000,
    500_000,
    7000,
    64,
    undefined,
    undefined,
  ])
  expect(['10mbit', '64kbit', '1gbps', '1500', '3bit', '10m', 'x'].map(parseTcRate)).toEqual([
    10_000_000,
    64_000,
    8_000_000_000,
    1496,
    undefined,
    undefined,
    undefined,
  ])
  expect(['5%', '0.1%', '100', '101%', '-1'].map(parsePercent)).toEqual([
    5,
    0.1,
    100,
    undefined,
    undefined,
  ])
})

test('what is written is read back', () => {
  const text = 'limit 50 delay 100ms 10ms loss 5% duplicate 1% reorder 25% rate 10mbit'
  const parsed = parseNetem(text.split(' '))
  expect(parsed.ok && formatNetem(parsed.netem)).toBe(text)
})

test.each([
  ['speed 3', '"speed" is no impairment'],
  ['delay', 'a value is missing after "delay"'],
  ['loss 120%', '"120%" is no loss: write a percentage from 0 to 100'],
  ['delay soon', '"soon" is no delay: write a time like 100ms'],
  ['reorder 25%', 'reordering is not possible without a delay'],
])('"%s" is refused in a sentence', (text, sentence) => {
  const parsed = parseNetem(text.split(' '))
  expect(parsed.ok ? 'accepted' : parsed.sentence).toContain(sentence)
})

const at = { netns: 'h', link: 'eth0' }

test('a plan prints it as tc would be typed', () => {
  const plan: Op[] = [
    { do: 'qdisc.add', ...at, netem: { delayNs: 100_000_000, jitterNs: 1_000_000 } },
    { do: 'qdisc.change', ...at, netem: { lossPercent: 100 } },
    { do: 'qdisc.del', ...at },
  ]
  expect(printPlan(plan)).toEqual([
    'tc -n h qdisc add dev eth0 root netem delay 100ms 1ms',
    'tc -n h qdisc change dev eth0 root netem loss 100%',
    'tc -n h qdisc del dev eth0 root',
  ])
})

test('the way back makes a former one anew', () => {
  const change: Op = { do: 'qdisc.change', ...at, netem: { lossPercent: 1 } }
  const netem = { rateBits: 8000 }
  const with_ = netnsSnapshot('h', { links: [{ ...linkSnapshot('eth0'), netem }] })
  const without = netnsSnapshot('h', { links: [linkSnapshot('eth0')] })
  const del: Op = { do: 'qdisc.del', ...at }
  expect(undoPlan([change], { netns: [with_] }).plan).toEqual([
    del,
    { do: 'qdisc.add', ...at, netem },
  ])
  expect(undoPlan([change], { netns: [without] }).plan).toEqual([del])
  expect(undoPlan([change])).toEqual({ plan: [], kept: [change] })
  expect(undoPlan([del], { netns: [with_] }).plan).toEqual([{ do: 'qdisc.add', ...at, netem }])
})
