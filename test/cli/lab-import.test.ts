/** `lanyard lab import` as a user types it: files of other tools in their shape, and wrong ones. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram, ROOT, removeProgram, runProgram } from '../support/program.ts'

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-import-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

/** Writes files into a folder of their own; gives the path of the first. */
function files(name: string, texts: Readonly<Record<string, string>>): string {
  mkdirSync(join(folder, name), { recursive: true })
  for (const [file, text] of Object.entries(texts)) writeFileSync(join(folder, name, file), text)
  return join(folder, name, Object.keys(texts)[0] ?? '')
}

describe('lanyard lab import', () => {
  test.each(['from-compose', 'from-clab', 'from-kathara'])(
    'examples/%s is what it writes, and passes lab check',
    async (name) => {
      const { status, stdout, stderr } = await runProgram('lab', 'import', `examples/${name}`)
      expect(stdout).toBe(readFileSync(join(ROOT, 'examples', name, 'lab.yaml'), 'utf8'))
      expect(stderr).toBe(readFileSync(join(ROOT, 'examples', name, 'notes.txt'), 'utf8'))
      expect(status).toBe(0)
      const path = files(name, { 'lab.yaml': stdout })
      const check = await runProgram('lab', 'check', path, '--strict')
      expect([check.status, check.stderr]).toEqual([0, ''])
    },
  )

  test('-o writes a file, --strict fails when something was left, --name and --set count', async () => {
    const path = files('strict', {
      'compose.yml': `services:
  a: {image: x, networks: [n]}
networks:
  n: {driver: macvlan, driver_opts: {parent: $NIC}, ipam: {config: [{subnet: 10.0.0.0/24}]}}
`,
    })
    const out = join(folder, 'strict', 'lab.yaml')
    const args = ['--strict', '-o', out, '--name', 'mine', '--set', 'NIC=enp1s0']
    const { status, stdout, stderr } = await runProgram('lab', 'import', path, ...args)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toBe(`${path}:2: service a: not carried: image (a lab runs no programs)\n`)
    const text = readFileSync(out, 'utf8')
    expect(text).toContain('lab: mine\n')
    expect(text).toContain('parent: enp1s0\n')
  })

  test('a line that cannot be declared stays a line, and the lab comes out the same', async () => {
    const path = files('lines', {
      'x.clab.yml': `name: lines
topology:
  nodes:
    a:
      kind: linux
      exec:
        - ip link add mv0 link eth1 type macvlan mode bridge
        - ip addr add 10.0.0.1/24 dev mv0
        - ip link set mv0 up
        - ip addr add 10.1.0.1/24 dev eth1
    b: {kind: linux, exec: [ip addr add 10.0.0.2/24 dev eth1]}
  links:
    - endpoints: [a:eth1, b:eth1]
`,
    })
    const { status, stdout, stderr } = await runProgram('lab', 'import', path)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('eth1: {to: b:eth1, addr: 10.1.0.1/24}')
    expect(stdout).toContain('      - ip link add mv0 link eth1 type macvlan mode bridge\n')
    expect(stdout).toContain('      - ip addr add 10.0.0.1/24 dev mv0\n')
    const lab = files('lines', { 'lab.yaml': `${stdout}\nexpect: [b -> 10.0.0.1 ok]\n` })
    expect((await runProgram('lab', 'run', lab)).status).toBe(0)
  })

  test.each([
    [
      'compose.yml',
      'services: {a: {networks: [x]}}\nnetworks: {n: {driver: macvlan}}\n',
      'compose.yml:1:27: services.a.networks[0]: service a is on network x, which the file does not have',
    ],
    [
      'compose.yml',
      'services: {}\nnetworks: {n: {driver: bridge}}\n',
      'compose.yml:2:1: networks: there is no macvlan or ipvlan network to carry',
    ],
    [
      'compose.yml',
      'networks:\n  n:\n    driver: macvlan\n    driver_opts: {parent: "${NIC}"}\n',
      'compose.yml:4:1: the variable NIC has no value: give it with --set NIC=VALUE',
    ],
    [
      'compose.yml',
      'networks:\n  n:\n    driver: macvlan\n    driver_opts: {macvlan_mode: brige}\n',
      'compose.yml:4:1: networks.n.mode: must be bridge, private, vepa, passthru or source',
    ],
    [
      'x.clab.yml',
      'name: x\ntopology:\n  nodes: {a: {kind: linux}}\n  links:\n    - endpoints: ["a:eth1", "aa:eth1"]\n',
      'x.clab.yml:5:29: topology.links[0].endpoints[1]: there is no node "aa" (did you mean "a"?)',
    ],
    [
      'x.clab.yml',
      'name: x\ntopology:\n  nodes: {a: , b: , c: }\n  links:\n    - endpoints: ["a:e", "b:e"]\n    - endpoints: ["a:e", "c:e"]\n',
      'x.clab.yml:6:1: a:e has a cable already, in line 5',
    ],
    [
      'x.clab.yml',
      'name: x\ntopology:\n  nodes: {a: , b: }\n  links:\n    - {endpoints: ["a:e", "b:e"], mtu: 20}\n',
      'x.clab.yml:5:1: a:e cannot be made:',
    ],
    [
      'x.clab.yml',
      'name: x\ntopology:\n  nodes: {a: , b: }\n  links:\n    - endpoints: [{node: a, interface: e, mac: zz}, "b:e"]\n',
      'x.clab.yml:5:48: topology.links[0].endpoints[0].mac: "zz" is no MAC address',
    ],
    ['x.clab.yml', '', 'x.clab.yml:1:1: must be a mapping with name and topology'],
    ['lab.conf', 'pc1[0]="A"\npc1[1]=\n', 'lab.conf:2:1: "pc1[1]=" is no line of a lab.conf'],
    ['lab.conf', 'pc1[0]="A.b"\n', 'lab.conf:1:1: "A.b" is no collision domain'],
    ['other.yml', 'a: b\n', 'other.yml could be of any tool: say --from compose|clab|kathara'],
  ])('%s: %j says where and what', async (name, text, says) => {
    const path = files('bad', { [name]: text })
    const { status, stdout, stderr } = await runProgram('lab', 'import', path)
    expect(stderr).toContain(says)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect([status, stdout]).toEqual([2, ''])
  })
})
