/** macvlan's modes: who hears whom. Rows measured on Linux 6.18 and 6.1. */
import { expect } from 'vitest'
import type { MacvlanMode } from '../../src/fabric/plan.ts'
import { Lan } from './lan.ts'
import { conforms } from './suite.ts'

const pair = (mode: MacvlanMode): Parameters<typeof Lan.build>[1]['children'] => ({
  a: { on: 'h1', last: 11, mode },
  b: { on: 'h1', last: 12, mode },
})

/**
 * Goal: the modes differ only in who hears a sibling and the own host. One LAN, one matrix a mode.
 */
const MODES = {
  'bridge, plain switch': { sibling: 64, toHost: undefined, fromHost: undefined },
  'bridge, hairpin': { sibling: 64, toHost: 64, fromHost: 64 },
  'vepa, plain switch': { sibling: undefined, toHost: undefined, fromHost: undefined },
  'vepa, hairpin': { sibling: 64, toHost: 64, fromHost: 64 },
  'private, plain switch': { sibling: undefined, toHost: undefined, fromHost: undefined },
  // The host's own broadcast comes back with a MAC no child owns: every mode hears it.
  'private, hairpin': { sibling: undefined, toHost: undefined, fromHost: 64 },
} as const

for (const [name, row] of Object.entries(MODES)) {
  conforms(`macvlan ${name}: siblings, host and the other host`, async (bench) => {
    const mode = name.split(',')[0] as MacvlanMode
    const lan = await Lan.build(bench, {
      hosts: { h1: name.endsWith('hairpin') ? { hairpin: true } : {}, h2: {} },
      children: pair(mode),
    })
    for (const family of [4, 6] as const)
      expect(await lan.matrix(family), `IPv${family}`).toEqual({
        'a>b': row.sibling,
        'b>a': row.sibling,
        'a>h1': row.toHost,
        'b>h1': row.toHost,
        'h1>a': row.fromHost,
        'h1>b': row.fromHost,
        'a>h2': 64,
        'b>h2': 64,
        'h2>a': 64,
        'h2>b': 64,
        'h1>h2': 64,
        'h2>h1': 64,
      })
  })
}

conforms('macvlan passthru: the child has the LAN, the host has lost it', async (bench) => {
  const lan = await Lan.build(bench, {
    hosts: { h1: {}, h2: {} },
    children: { a: { on: 'h1', last: 11, mode: 'passthru' } },
  })
  expect(await lan.matrix()).toEqual({
    'a>h2': 64,
    'h2>a': 64,
    'a>h1': undefined,
    'h1>a': undefined,
    'h1>h2': undefined,
    'h2>h1': undefined,
  })
})

conforms('macvlan source: only the MACs on the list are heard', async (bench) => {
  const lan = await Lan.build(bench, {
    hosts: { h1: {}, h2: {}, h3: {} },
    children: {
      a: { on: 'h1', last: 11, mode: 'source', sources: { change: 'set', macs: [0x020000000b02] } },
    },
  })
  expect(await lan.ping('a', 'h2')).toBe(64)
  expect(await lan.ping('h2', 'a')).toBe(64)
  expect(await lan.ping('a', 'h3')).toBeUndefined()
  expect(await lan.ping('h3', 'a')).toBeUndefined()
})

conforms('macvlan private behind a hairpin: who spoke first decides', async (bench) => {
  const lan = await Lan.build(bench, {
    hosts: { h1: { hairpin: true } },
    children: { a: { on: 'h1', last: 11, mode: 'private' } },
  })
  expect(await lan.ping('a', 'h1')).toBeUndefined()
  expect(await lan.ping('h1', 'a')).toBe(64)
  expect(await lan.pingWarm('a', 'h1')).toBe(64)
})

conforms('macvlan: a mode changed at run time takes effect at once', async (bench) => {
  const lan = await Lan.build(bench, { hosts: { h1: {} }, children: pair('private') })
  expect(await lan.ping('a', 'b')).toBeUndefined()
  await bench.build(
    ['a', 'b'].map((name) => ({
      do: 'link.set' as const,
      netns: bench.ns(name),
      name: 'm0',
      macvlan: { mode: 'bridge' as const },
    })),
  )
  expect(await lan.ping('a', 'b')).toBe(64)
})

conforms(
  'macvlan: a parent that goes down takes its bridge children with it, and back',
  async (bench) => {
    const lan = await Lan.build(bench, { hosts: { h1: {}, h2: {} }, children: pair('bridge') })
    const parent = (up: boolean) =>
      ({ do: 'link.set', netns: bench.ns('h1'), name: 'eth0', up }) as const
    await bench.build(parent(false))
    expect(await lan.ping('a', 'b')).toBeUndefined()
    await bench.build(parent(true))
    await bench.fabric.settle({ netns: ['sw', 'h1', 'a', 'b'].map((name) => bench.ns(name)) })
    expect(await lan.ping('a', 'b')).toBe(64)
    expect(await lan.ping('a', 'h2')).toBe(64)
  },
)
