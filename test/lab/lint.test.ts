/**
 * The rules of `lanyard lab check`: each finds what the simulator shows, and is silent once it is
 * mended.
 */
import { describe, expect, test } from 'vitest'
import { parseIp } from '../../src/addr/ip.ts'
import { lintLab } from '../../src/lab/lint.ts'
import { LINT_RULES, type LintRule } from '../../src/lab/lint-rules.ts'
import { planLab } from '../../src/lab/plan.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { openSim } from '../../src/sim/fabric.ts'

interface Case {
  /** The lab as few mean it. */
  readonly text: string
  /** What is put in the place of what, to mend it. */
  readonly mend: readonly [from: string, to: string]
  /** Where it is found: line, path, sentence. */
  readonly found: string
  /** Who does not reach whom until it is mended; absent where chance decides. */
  readonly ping?: readonly [from: string, to: string, size?: number]
}

const CASES: Readonly<Record<LintRule, Case>> = {
  'hairpin-to-switch': {
    text: `lab: t
switches:
  a: {ports: {p0: {}, up: {hairpin: true}}}
  b: {ports: {p0: {}, down: {to: a:up}}}
hosts:
  h1: {nics: {eth0: {to: a:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: b:p0, addr: 10.0.0.2/24}}}
`,
    mend: ['{hairpin: true}', '{}'],
    found: '3: switches.a.ports.up.hairpin: hairpin towards switch b, which learns',
  },
  'vepa-without-hairpin': {
    text: lan('mode: vepa, '),
    mend: ['p0: {}', 'p0: {hairpin: true}'],
    found: '7: networks.lan.mode: c1 and c2 on h1 cannot reach each other: sw:p0 has no hairpin',
    ping: ['c1', '10.0.0.12'],
  },
  'passthru-on-a-spoken-parent': {
    text: lan('mode: passthru, ').replace(/\n {2}c2:.*/, ''),
    mend: ['mode: passthru', 'mode: bridge'],
    found: '7: networks.lan.mode: h1 itself no longer hears anything on eth0',
    ping: ['h1', '10.0.0.2'],
  },
  'vlan-not-on-port': {
    text: `lab: t
switches: {sw: {ports: {p0: trunk 100, p1: access 200}}}
hosts:
  h1:
    nics: {eth0: sw:p0}
    vlans: [eth0.200]
    addr: {eth0.200: 10.0.0.1/24}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
`,
    mend: ['trunk 100', 'trunk 100 200'],
    found: '6: hosts.h1.vlans: eth0.200 sends VLAN 200, and sw:p0 has the tagged VLANs 100',
    ping: ['h1', '10.0.0.2'],
  },
  'untagged-on-trunk': {
    text: `lab: t
switches: {sw: {ports: {p0: trunk 100 200, p1: access 100}}}
hosts:
  h1: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
`,
    mend: ['trunk 100 200', 'trunk 200 native 100'],
    found: '4: hosts.h1.nics.eth0: h1 would send untagged, and sw:p0 takes tagged frames only',
    ping: ['h1', '10.0.0.2'],
  },
  'cable-mtu': {
    text: lan('').replace('eth0: {to: sw:p0, ', 'eth0: {to: sw:p0, mtu: 9000, '),
    mend: ['mtu: 9000, ', ''],
    found: '4: hosts.h1.nics.eth0: 9000 here, 1500 at sw:p0',
    ping: ['h1', '10.0.0.2', 3000],
  },
  'gateway-nobody-has': {
    text: lan('gateway: 10.0.0.9, ').replace(
      'addr: 10.0.0.2/24',
      'addr: [10.0.0.2/24, 10.7.0.1/24]',
    ),
    mend: ['gateway: 10.0.0.9', 'gateway: 10.0.0.2'],
    found: '7: networks.lan.gateway: no node has 10.0.0.9',
    ping: ['c1', '10.7.0.1'],
  },
  'router-does-not-forward': {
    text: `lab: t
switches: {a: {ports: {p0: {}, p1: {}}}, b: {ports: {p0: {}, p1: {}}}}
hosts:
  h1: {nics: {eth0: {to: a:p0, addr: 10.0.0.1/24}}, routes: [default via 10.0.0.254]}
  h2: {nics: {eth0: {to: b:p0, addr: 10.0.1.1/24}}, routes: [default via 10.0.1.254]}
  r: {nics: {eth0: {to: a:p1, addr: 10.0.0.254/24}, eth1: {to: b:p1, addr: 10.0.1.254/24}}}
`,
    mend: ['  r: {', '  r: {forward: true, '],
    found: '6: hosts.r: r is the next hop 10.0.0.254 of others and drops what it should pass on',
    ping: ['h1', '10.0.1.1'],
  },
  'l3-without-way-back': {
    text: `lab: t
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h1: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
networks:
  lan: {driver: ipvlan, mode: l3, parent: eth0, subnet: 10.9.0.0/24, hosts: h1}
containers:
  c1: {host: h1, net: lan=10.9.0.11, routes: [default dev eth0]}
`,
    mend: ['h2: {', 'h2: {routes: [10.9.0.0/24 via 10.0.0.1], '],
    found: '7: networks.lan.mode: h2 has no route to 10.9.0.0/24',
    ping: ['h2', '10.9.0.11'],
  },
  'host-apart': {
    text: lan(''),
    mend: ['h1: {', 'h1: {shim: lan, '],
    found: '4: hosts.h1: h1 and its containers of lan do not reach each other',
    ping: ['h1', '10.0.0.11'],
  },
}

/** Two hosts on a switch, two containers on the first; their network begins with `options`. */
function lan(options: string): string {
  return `lab: t
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h1: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
networks:
  lan: {${options}driver: macvlan, parent: eth0, subnet: 10.0.0.0/24, hosts: h1}
containers:
  c1: {host: h1, net: lan=10.0.0.11}
  c2: {host: h1, net: lan=10.0.0.12}
`
}

function lint(text: string): string[] {
  const source = new LabSource('lab.yaml', text)
  return lintLab(source, readLab(source)).map(
    (f) => `${f.rule} ${f.line}: ${f.path}: ${f.sentence}`,
  )
}

async function reaches(text: string, from: string, to: string, size = 56): Promise<boolean> {
  const sim = openSim()
  const [topology] = readLab(new LabSource('lab.yaml', text)) as [Topology]
  await sim.apply(planLab(topology, { prefix: '' }))
  await sim.settle()
  const [result] = await sim.probe([
    { protocol: 'icmp', from, to: parseIp(to), size, timeoutMs: 4000 },
  ])
  return result?.outcome === 'reply'
}

describe.each(Object.keys(LINT_RULES) as LintRule[])('%s', (rule) => {
  const { text, mend, found, ping } = CASES[rule]
  const mended = text.replace(...mend)

  test('finds it, and nothing once it is mended', () => {
    expect(lint(text)).toContain(`${rule} ${found}`)
    expect(mended).not.toBe(text)
    expect(lint(mended).filter((line) => line.startsWith(`${rule} `))).toEqual([])
  })

  if (ping !== undefined) {
    test('is what the simulator shows', async () => {
      expect(await reaches(text, ...ping)).toBe(false)
      expect(await reaches(mended, ...ping)).toBe(true)
    })
  }
})

test('lintLab says in which combinations of a matrix it is so', () => {
  const text = `matrix: {mode: [bridge, vepa]}\n${lan("mode: '${mode}', ")}`
  const source = new LabSource('lab.yaml', text)
  const found = lintLab(source, readLab(source))
  const of = (rule: LintRule) => found.find((f) => f.rule === rule)
  expect(of('vepa-without-hairpin')?.where).toEqual([{ mode: 'vepa' }])
  expect(of('host-apart')?.where).toBeUndefined()
})
