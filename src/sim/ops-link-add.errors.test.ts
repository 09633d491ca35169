import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCommand } from '../../test/sim/commands.ts'
import type { Op } from '../fabric/plan.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { openSim } from './fabric.ts'

interface Row {
  readonly group: string
  readonly title: string
  readonly kernel: '6.18' | 'uml-6.1'
  readonly setup: readonly string[]
  readonly cmd: string
  readonly rc: number
  readonly errno: string | null
  readonly text: string
}

const ROWS = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/truth/errors.json'), 'utf8'),
) as Row[]

/** Kinds neither kernel had a module for, and how 6.18 was built. */
const KERNELS = {
  '6.18': {
    version: '6.18',
    missingKinds: ['vlan', 'ipvlan', 'dummy'],
    bridgeVlanFiltering: false,
  },
  'uml-6.1': { version: '6.1', missingKinds: ['tun', 'tap'] },
} as const

/** The ops of a row's commands; undefined when one of them is no op (brctl, a look, a typo). */
function opsOf(row: Row): { readonly setup: Op[]; readonly cmd: Op[] } | undefined {
  try {
    const setup = row.setup.flatMap((line) => readCommand(line) ?? [undefined])
    const cmd = readCommand(row.cmd)
    if (cmd === undefined || setup.includes(undefined)) return undefined
    return { setup: setup as Op[], cmd }
  } catch {
    return undefined
  }
}

/** The kernel's text, as ip prints it: with a full stop, or the errno's own words. */
function extackOf(text: string): string | undefined {
  return /^Error: (.*?)\.?$/.exec(text)?.[1]
}

/** Random addresses come again in another order when an op was tried in between. */
const plain = ({ netns }: Snapshot) => netns

test('link ops are refused as measured, and a refused one changes nothing', async () => {
  let refused = 0
  let done = 0
  for (const row of ROWS) {
    const ops = opsOf(row)
    // What ip itself refuses never reaches a kernel.
    if (ops === undefined || row.text.startsWith('Error: argument')) continue
    const sim = openSim({ kernel: KERNELS[row.kernel] })
    sim.applyNow(ops.setup, { keepGoing: true })
    const before = plain(await sim.snapshot())
    const outcome = sim.applyNow(ops.cmd, { keepGoing: true })[0]
    const what = `${row.kernel} ${row.title}: ${row.cmd}`
    if (row.errno === null || row.rc === 0) {
      expect(outcome, what).toEqual({ ok: true })
      done++
      continue
    }
    expect(outcome, what).toMatchObject({ ok: false, errno: row.errno })
    if (row.text.startsWith('Error: ')) {
      expect(outcome, what).toMatchObject({ extack: extackOf(row.text) })
    } else if (row.text.startsWith('RTNETLINK')) {
      expect(outcome, what).toMatchObject({ extack: undefined })
    }
    expect(plain(await sim.snapshot()), what).toEqual(before)
    refused++
  }
  expect([refused > 60, done > 60]).toEqual([true, true])
})

test('a link.set refused in the middle is undone as a whole', async () => {
  const sim = openSim()
  sim.applyNow([
    { do: 'netns.add', netns: 'h' },
    { do: 'netns.add', netns: 'c' },
    {
      do: 'link.add',
      netns: 'h',
      name: 'eth0',
      up: true,
      spec: { kind: 'veth', peer: { name: 'peer', netns: 'c' } },
    },
    { do: 'link.set', netns: 'c', name: 'peer', up: true },
    { do: 'link.add', netns: 'h', name: 'br0', spec: { kind: 'bridge' } },
    {
      do: 'link.add',
      netns: 'h',
      name: 'm0',
      spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'bridge' } },
    },
  ])
  const before = await sim.snapshot()
  const outcome = sim.applyNow(
    [
      {
        do: 'link.set',
        netns: 'h',
        name: 'eth0',
        address: 0x020000000042,
        mtu: 1400,
        group: 5,
        newName: 'lan0',
        master: 'br0',
      },
    ],
    { keepGoing: true },
  )
  // A macvlan parent cannot be a bridge port. What lowered its MTU lowered the child's, too.
  expect(outcome[0]).toMatchObject({ ok: false, errno: 'EBUSY' })
  expect(await sim.snapshot()).toEqual(before)
})
