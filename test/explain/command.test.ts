/** `lanyard explain` as typed: what it prints for programs, and for what it cannot answer. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'
import { chooseTopology, questionIn } from '../../src/lab/explain.ts'
import { codeText } from '../../src/lab/explain-code.ts'
import { printExplanation } from '../../src/lab/explain-print.ts'
import { explainSchema, explanationJson } from '../../src/lab/explain-schema.ts'
import { plain } from '../../src/lab/paint.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { explainIn, onOneParent, onTrunk } from './labs.ts'

const topologies = (text: string) => readLab(new LabSource('lab.yaml', text))
const asking = (from: string, to: string) =>
  ({ from, to, family: undefined, protocol: 'icmp', port: undefined, size: undefined }) as const
const MATRIX = onOneParent('"${mode}"').replace(
  'switches:',
  'matrix: {mode: [bridge, vepa]}\nswitches:',
)

test('explanationJson fits its schema, bare addresses and IPv6 absent included', async () => {
  for (const [text, from, to] of [
    [onOneParent('vepa'), 'ns1', 'ns2'],
    [onOneParent('bridge'), 'ns1', 'ns2'],
    [onOneParent('bridge'), 'ns1', '10.211.55.77'],
    [onTrunk({ forward: true, gateway: false }), 'box1', 'box4'],
  ] as const) {
    const json = explanationJson(await explainIn(text, from, to))
    // As it is read back: nothing is lost on the way through text.
    expect(explainSchema.parse(JSON.parse(JSON.stringify(json)))).toEqual(json)
  }
})

test('printExplanation has one decisive mark, and colours only for a paint that has some', async () => {
  const found = await explainIn(onOneParent('vepa'), 'ns1', 'ns2')
  const text = printExplanation(found, { paint: plain })
  expect(text.match(/✗/g)).toHaveLength(1)
  expect(text).toContain('lab.yaml:')
  expect(text).toContain('undo: ')
  const painted = printExplanation(found, { paint: (style, t) => `<${style}>${t}</>` })
  expect(painted).toContain('<bad>error[VEPA_NO_HAIRPIN]</>')
})

test('chooseTopology says in one sentence which value is missing or wrong', () => {
  const labs = topologies(MATRIX)
  expect(() => chooseTopology(labs, {})).toThrow(/choose one with --set mode=bridge\|vepa$/)
  expect(() => chooseTopology(labs, { mode: 'l2' })).toThrow(
    'mode is one of bridge and vepa, not "l2"',
  )
  expect(() => chooseTopology(labs, { mod: 'vepa' })).toThrow(
    /no variable "mod" \(did you mean "mode"\?\)/,
  )
  expect(chooseTopology(labs, { mode: 'vepa' }).variables).toEqual({ mode: 'vepa' })
})

test('questionIn says in one sentence what is wrong with the ends', () => {
  const [lab] = topologies(onOneParent('bridge'))
  if (lab === undefined) throw new Error('no lab')
  expect(() => questionIn(lab, asking('ns11', 'ns2'))).toThrow(
    /no node "ns11" \(did you mean "ns1"\?\)/,
  )
  expect(() => questionIn(lab, asking('ns1', 'ns1'))).toThrow('FROM and TO are both ns1')
  expect(() => questionIn(lab, asking('ns1', 'sw'))).toThrow('sw is a switch, which has no address')
  expect(() => questionIn(lab, { ...asking('ns1', 'ns2'), family: 6 })).toThrow(
    'has no IPv6 address',
  )
})

test('codeText explains reasons and causes, and knows near misses', () => {
  expect(codeText('bridge_no_hairpin', plain)).toContain('net/bridge/br_forward.c should_deliver')
  expect(codeText('MACVLAN_PRIVATE', plain)).toContain('both children in mode bridge')
  expect(() => codeText('BRIDGE_NO_HAIRPINS', plain)).toThrow('did you mean "BRIDGE_NO_HAIRPIN"?')
})

test('codeText explains errors of the table, in either case, with what others say for the same', () => {
  const said = codeText('Parent-Busy', plain)
  expect(said).toMatch(/^parent-busy: .*<parent>/)
  expect(said).toContain('HTTP 409')
  expect(said).toContain('failed to create the macvlan port: device or resource busy')
  for (const code of ERROR_CODES) expect(codeText(code, plain)).toContain(`${code}: `)
  expect(() => codeText('parent-bussy', plain)).toThrow('did you mean "parent-busy"?')
})

test('explainCommand takes one argument for a code first, then for a text', async () => {
  const told: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    told.push(String(text))
    return true
  })
  const ask = async (said: string): Promise<string> => {
    told.length = 0
    await explainCommand(said, undefined, { set: {}, proto: { name: 'icmp' } })
    return told.join('')
  }
  try {
    expect(await ask('pool-exhausted')).toMatch(/^pool-exhausted: /)
    expect(await ask('dadfailed')).toMatch(/^dadfailed\n {2}said by kernel/)
    expect(await ask('network dm-1 is already using parent interface eth7')).toContain(
      'parent=eth7',
    )
    await expect(ask('nonsense')).rejects.toThrow('there is no code "nonsense"')
    await expect(ask('the moon is made of cheese')).rejects.toMatchObject({
      code: 'usage',
      detail: { help: 'lanyard doctor' },
    })
  } finally {
    write.mockRestore()
  }
})

test('explainCommand writes the journey as pcapng', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lanyard-explain-'))
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    const lab = join(dir, 'lab.yaml')
    const pcap = join(dir, 'journey.pcapng')
    writeFileSync(lab, onOneParent('vepa'))
    const status = await explainCommand('ns1', 'ns2', {
      lab,
      set: {},
      proto: { name: 'icmp' },
      pcap,
      json: true,
    })
    expect(status).toBe(1)
    // Section header block: the file is one, and is not empty.
    expect(readFileSync(pcap).readUInt32LE(0)).toBe(0x0a0d0d0a)
    expect(readFileSync(pcap).length).toBeGreaterThan(300)
  } finally {
    write.mockRestore()
    rmSync(dir, { recursive: true })
  }
})
