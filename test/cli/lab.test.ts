/** `lanyard lab` as a user types it: texts, exit statuses, no stack trace ever. */
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram, ROOT, removeProgram, runProgram, startProgram } from '../support/program.ts'

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-cli-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

/** Writes a lab file; gives its path. */
function labFile(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('lanyard', () => {
  test('--version prints the version of package.json', async () => {
    const found: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const { status, stdout } = await runProgram('--version')
    expect([status, stdout]).toEqual([0, `${(found as { version: string }).version}\n`])
  })

  test('--help shows examples and exit statuses', async () => {
    const { status, stdout } = await runProgram('--help')
    expect(status).toBe(0)
    expect(stdout).toContain('sudo lanyard lab run examples/seed-001 --fabric kernel')
    expect(stdout).toContain('1 something was missed')
  })

  test('alone prints the help to stderr and fails', async () => {
    const { status, stdout, stderr } = await runProgram()
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Usage: lanyard')
  })

  test.each([
    [['lab', 'ran', 'x'], "lanyard: unknown command 'ran'\n(Did you mean run?)\n"],
    [['lab', 'run'], "lanyard: missing required argument 'file'\n"],
    [
      ['lab', 'run', 'x', '--fabrik', 'sim'],
      "unknown option '--fabrik'\n(Did you mean --fabric?)\n",
    ],
    [['lab', 'run', 'x', '--seed', 'y'], 'a whole number from 0 to 4294967295'],
    [
      ['lab', 'run', 'examples/seed-01'],
      'lanyard: examples/seed-01: no such file or directory (did you mean "seed-001"?)\n',
    ],
    [['lab', 'check', 'src'], 'lanyard: src/lab.yaml: no such file or directory\n'],
  ])('%j is bad input and says what was meant', async (args, says) => {
    const { status, stdout, stderr } = await runProgram(...args)
    expect(stderr).toContain(says)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect([status, stdout]).toEqual([2, ''])
  })
})

describe('lanyard lab check', () => {
  test('reports every problem of a file with line and column', async () => {
    const path = labFile(
      'bad.yaml',
      'lab: bad\nswitches: {sw: {ports: {p0: {hairpn: true}}}}\nhost: {}\n',
    )
    const { status, stderr } = await runProgram('lab', 'check', path)
    expect(status).toBe(2)
    expect(stderr.split('\n').map((line) => line.slice(0, 120))).toEqual([
      expect.stringContaining(`bad.yaml:2:30: switches.sw.ports.p0.hairpn: unknown key "hairpn"`),
      expect.stringContaining('bad.yaml:3:1: host: unknown key "host" (did you mean "hosts"?)'),
      '',
    ])
  })

  test('draws a good one and runs nothing', async () => {
    const { status, stdout } = await runProgram('lab', 'check', 'examples/seed-001')
    expect(status).toBe(0)
    expect(stdout).toContain('│ hairpin? p0 ├────┤ enp0s5  10.211.55.18/24  promisc')
    expect(stdout).toMatch(/lab\.yaml: 2 warnings, 1 note: 8 combinations, \d+ expectations\n$/)
    expect(stdout).toContain(
      'lab.yaml:32:48: networks.lan.mode: ns1 and ns2 on centos18 cannot reach each other: ' +
        'sw:p0 has no hairpin\n  warning[vepa-without-hairpin] mend: hairpin: true at the port, ' +
        'or mode: bridge\n  where mode=vepa hairpin=false\n',
    )
  })

  test('--json says it in data, --strict with the exit code', async () => {
    const { status, stdout } = await runProgram(
      ...['lab', 'check', 'examples/seed-001', '--json', '--strict'],
    )
    const { combinations, findings } = JSON.parse(stdout) as {
      combinations: number
      findings: { rule: string; line: number }[]
    }
    expect([status, combinations]).toEqual([1, 8])
    expect(findings.map((f) => [f.rule, f.line])).toEqual([
      ['host-apart', 21],
      ['vepa-without-hairpin', 32],
      ['passthru-on-a-spoken-parent', 32],
    ])
  })

  test('a good one is called good', async () => {
    const text = 'lab: fine\nhosts: {a: {nics: {eth0: {to: b:eth0}}}, b: {nics: {eth0: {}}}}\n'
    const { status, stdout } = await runProgram('lab', 'check', labFile('good.yaml', text))
    expect(status).toBe(0)
    expect(stdout).toMatch(/good\.yaml: good: 0 expectations\n$/)
  })

  test('LANYARD_DEBUG=1 shows where an error comes from', async () => {
    const { stderr } = await startProgram(['lab', 'check', 'nowhere'], { LANYARD_DEBUG: '1' }).ended
    expect(stderr).toMatch(/^\s+at /m)
  })
})
