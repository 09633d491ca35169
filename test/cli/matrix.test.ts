/** `lanyard matrix` as typed: what it prints, and for what it cannot answer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { matrixCommand } from '../../src/cli/matrix.ts'
import type { MatrixCliOptions } from '../../src/cli/matrix-options.ts'
import { onOneParent } from '../explain/labs.ts'

let dir = ''
let lab = ''

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lanyard-matrix-'))
  lab = join(dir, 'lab.yaml')
  writeFileSync(lab, onOneParent('private'))
})
afterAll(() => rmSync(dir, { recursive: true }))

async function run(
  options: Partial<MatrixCliOptions>,
): Promise<{ out: string; err: string; status: number }> {
  const said = { out: '', err: '' }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said.out += String(text)
    return true
  })
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.err += String(text)
    return true
  })
  try {
    const status = await matrixCommand({ set: {}, lab, ...options })
    return { ...said, status }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

test('matrixCommand prints classes, their matrix, and what the letters mean', async () => {
  const { out } = await run({})
  expect(out).toContain('5 endpoints in 3 classes: 14 of 20 ordered pairs work')
  expect(out).toContain('ns1, ns2: macvlan private on centos18:enp0s5, 10.211.55.0/24')
  expect(out).toMatch(/✗a BRIDGE_NO_HAIRPIN, 6 pairs: the frame would have to leave/)
})

test('matrixCommand prints a row, a column, a cell', async () => {
  expect((await run({ from: 'ns1' })).out).toContain('ns1 reaches 2 of 4')
  expect((await run({ to: 'ns1' })).out).toContain('2 of 4 reach ns1')
  const { out } = await run({ from: 'ns1', to: 'ns2' })
  expect(out).toContain('ns1 -> ns2 fails, BRIDGE_NO_HAIRPIN')
})

test('matrixCommand tells what a plan changes, of command lines as of ops', async () => {
  const lines = file(
    'change.sh',
    '# mend it\nip -n ns1 link set dev eth0 type macvlan mode bridge\n' +
      'ip -n ns2 link set dev eth0 type macvlan mode bridge\n',
  )
  const macvlan = { mode: 'bridge' }
  const ops = file(
    'change.json',
    JSON.stringify([
      { do: 'link.set', netns: 'ns1', name: 'eth0', macvlan },
      { do: 'link.set', netns: 'ns2', name: 'eth0', macvlan },
    ]),
  )
  for (const plan of [lines, ops]) {
    const { out, status } = await run({ plan })
    expect(status).toBe(0)
    expect(out.split('\n').slice(0, 3)).toEqual([
      '+2 ordered pairs become reachable, -0 no longer',
      '  + ns1 -> ns2 (was BRIDGE_NO_HAIRPIN)',
      '  + ns2 -> ns1 (was BRIDGE_NO_HAIRPIN)',
    ])
  }
  const { out } = await run({ plan: lines, csv: true })
  expect(out).toContain('from,to,before,after\nns1,ns2,BRIDGE_NO_HAIRPIN,ok\n')
})

test('matrixCommand says which line of a plan is refused', async () => {
  const { err, status } = await run({ plan: file('bad.sh', 'ip -n nobody link show\n') })
  expect(status).toBe(1)
  expect(err).toContain('refused: line 1: ip -n nobody link show: Cannot open network namespace')
  const notOps = file('bad.json', '[{"netns": "ns1"}]')
  await expect(run({ plan: notOps })).rejects.toThrow('op 1 has no "do" and "netns"')
  await expect(run({ plan: join(dir, 'none') })).rejects.toThrow('no such file or directory')
})

test('matrixCommand prints pairs as CSV and everything as JSON', async () => {
  const { out } = await run({ csv: true, from: 'ns1' })
  expect(out.split('\n')).toContain('ns1,ns2,false,BRIDGE_NO_HAIRPIN,')
  const json = JSON.parse((await run({ json: true, from: 'ns1', to: 'gw' })).out) as {
    readonly pairs: number
    readonly verdicts: readonly { readonly pairs: number }[]
    readonly cells: readonly unknown[]
  }
  expect(json.verdicts.reduce((n, v) => n + v.pairs, 0)).toBe(json.pairs)
  expect(json.cells).toEqual([{ from: 'ns1', to: 'gw', ok: true, code: null, ttl: 64 }])
})

test('matrixCommand explains a cell as explain does', async () => {
  const { out, status } = await run({ why: ['ns1', 'ns2'] })
  expect(status).toBe(1)
  expect(out).toContain('error[MACVLAN_PRIVATE]: ns1 cannot reach ns2')
  expect(out).toContain('fix 1 both ns1 and ns2 in mode bridge')
})

test('matrixCommand says in one sentence what it cannot answer', async () => {
  await expect(run({ from: 'ns11' })).rejects.toThrow('no endpoint "ns11" (did you mean "ns1"?)')
  await expect(run({ from: 'sw' })).rejects.toThrow('sw has no IPv4 address')
  await expect(run({ why: ['ns1'] })).rejects.toThrow('--why takes two endpoints')
  await expect(run({ 6: true })).rejects.toThrow('no two endpoints with an IPv6 address')
  await expect(run({ live: true })).rejects.toThrow('not both')
})
