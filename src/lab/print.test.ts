import { expect, test } from 'vitest'
import { plain } from './paint.ts'
import { drawLab } from './picture.ts'
import { printMatrix } from './print.ts'
import { readLab } from './read.ts'
import { LabSource } from './source.ts'
import { widthOf } from './width.ts'

const draw = (text: string): string => drawLab(readLab(new LabSource('lab.yaml', text)), plain)

test('drawLab shows switch, cables, hosts and children, and what differs between combinations', () => {
  const text = `lab: t
matrix: {mode: [bridge, vepa], pin: [false, true]}
switches: {sw: {ports: {p0: {hairpin: "\${pin}"}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  r: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}, forward: true}
networks: {lan: {driver: macvlan, parent: eth0.5, mode: "\${mode}", subnet: 10.0.0.0/24, hosts: h}}
containers:
  a: {host: h, net: lan}
  b: {host: h, net: lan, when: pin}
`
  expect(draw(text)).toBe(
    `
┌ sw ─────────┐
│             │    ┌ h ────────────────────────────────────────────────┐
│ hairpin? p0 ├────┤ eth0  10.0.0.1/24                                 │
│             │    │ └─ eth0.5  vlan 5                                 │
│             │    │    ├─ a   eth0  macvlan  bridge|vepa  10.0.0.3/24 │
│             │    │    └─ b?  eth0  macvlan  bridge|vepa  10.0.0.4/24 │
│             │    └───────────────────────────────────────────────────┘
│             │    ┌ r (router) ───────┐
│          p1 ├────┤ eth0  10.0.0.2/24 │
│             │    └───────────────────┘
└─────────────┘
lan: macvlan bridge|vepa, on eth0.5, 10.0.0.0/24`.trim(),
  )
})

test('printMatrix gives the ttl of who answers and a lettered reason for who does not', () => {
  const cell = (from: string, to: string, ttl: number | undefined) => ({
    from,
    to,
    target: 1,
    source: undefined,
    ok: ttl !== undefined,
    ttl,
    rttNs: undefined,
    why:
      ttl === undefined
        ? { code: 'LINK_DOWN' as const, at: 'a:eth0', text: 'the link is down' }
        : undefined,
  })
  const matrix = {
    family: 4 as const,
    nodes: ['a', '容器'],
    cells: [cell('a', '容器', 128), cell('容器', 'a', undefined)],
  }
  expect(printMatrix(matrix, false, plain)).toBe(
    [
      '         a  容器',
      '  a      ·   128',
      '  容器  ✗a     ·',
      '  ✗a LINK_DOWN at a:eth0: the link is down',
    ].join('\n'),
  )
})

test('widthOf counts wide letters twice, marks and colours not at all', () => {
  expect(widthOf('容器')).toBe(4)
  expect(widthOf('e\u0301')).toBe(1)
  expect(widthOf('\u001b[31mno\u001b[39m')).toBe(2)
})
