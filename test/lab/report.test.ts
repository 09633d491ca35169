import { describe, expect, test } from 'vitest'
import { readLab } from '../../src/lab/read.ts'
import { reportHtml } from '../../src/lab/report-html.ts'
import { reportJunit } from '../../src/lab/report-junit.ts'
import type { LabReport } from '../../src/lab/run.ts'
import { LabSource } from '../../src/lab/source.ts'

const LAB =
  'lab: t\nhosts: {a: {nics: {eth0: {to: "b:eth0", addr: 10.0.0.1/24}}}, b: {nics: {eth0: {addr: 10.0.0.2/24}}}}\n'
const topologies = readLab(new LabSource('lab.yaml', LAB))

const REPORT: LabReport = {
  lab: 't',
  fabric: 'sim',
  met: 1,
  missed: 1,
  combinations: [
    {
      variables: { mode: 'vepa' },
      commands: [],
      matrices: [
        {
          family: 4,
          nodes: ['a', 'b'],
          cells: [
            cell('a', 'b', true),
            {
              ...cell('b', 'a', false),
              why: { code: undefined, at: undefined, text: 'lost <here>' },
            },
          ],
        },
      ],
      expectations: [{ text: 'a -> b ok', line: 9, met: true, pairs: 1, misses: [] }],
      steps: [
        {
          name: 'down & out',
          line: 11,
          commands: [
            { node: 'a', command: 'ip a', line: 12, code: 0, stdout: '1: lo\u0007\n', stderr: '' },
          ],
          cells: [],
          expectations: [
            { text: 'b -> a ok', line: 13, met: false, pairs: 1, misses: ['no "answer"'] },
          ],
        },
      ],
    },
  ],
}

function cell(from: string, to: string, ok: boolean) {
  const ttl = ok ? 64 : undefined
  return {
    ...{ from, to, ok, ttl, target: 1, source: undefined },
    rttNs: undefined,
    why: undefined,
  }
}

describe('a report as JUnit XML', () => {
  const xml = reportJunit(REPORT, 'lab.yaml')

  test('has a suite a combination and step, a case an expectation', () => {
    expect(xml.match(/<testsuite /g)).toHaveLength(2)
    expect(xml).toContain('<testsuites name="t" tests="2" failures="1" errors="0">')
    expect(xml).toContain(
      '<testcase name="a -&gt; b ok" classname="t mode=vepa" file="lab.yaml" line="9"/>',
    )
    expect(xml).toContain(
      '<failure message="no &quot;answer&quot;">lab.yaml:13\nno &quot;answer&quot;</failure>',
    )
  })

  test('writes what XML can hold', () => {
    expect(xml).toContain('down &amp; out')
    expect(xml).toContain('1: lo\ufffd')
  })
})

describe('a report as HTML', () => {
  const html = reportHtml(REPORT, topologies)

  test('stands alone: picture, matrix, expectations, and nothing fetched', () => {
    expect(html).toContain('<svg ')
    expect(html).toContain('<td class="good">64</td>')
    expect(html).toContain('<td class="bad">✗a</td>')
    expect(html).toContain('lost &lt;here&gt;')
    expect(html).toContain('1 expectation met, 1 missed (simulated)')
    expect(html).not.toMatch(/(?:src|href)=|url\(|@import/)
  })
})
