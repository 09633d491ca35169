/** The script of `lanyard lab export FILE sh`, run by sh: the same network as in the simulator. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fabric, Probe } from '../../src/fabric/fabric.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { exportSh } from '../../src/lab/export-sh.ts'
import { planLab } from '../../src/lab/plan.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import { nodesOf, type Topology } from '../../src/lab/topology.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { describeKernel } from '../describe-kernel.ts'

const LAB = `lab: labx-test
matrix: {mode: [bridge, vepa], pin: [false, true]}
unless: [mode == 'bridge' && pin, mode == 'vepa' && !pin]
switches: {sw: {ports: {p0: {hairpin: "\${pin}"}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.66.0.1/24}}}
  x:
    nics: {eth0: {to: sw:p1, addr: 10.66.0.2/24}}
    run: ["sysctl -w 'net.ipv4.icmp_echo_ignore_all=1'"]
networks: {lan: {driver: macvlan, parent: eth0, mode: "\${mode}", subnet: 10.66.0.0/24, hosts: h}}
containers: {a: {host: h, net: lan}, b: {host: h, net: lan}}
`

describeKernel('lanyard lab export FILE sh', () => {
  let folder: string
  let script: string
  let kernel: Fabric

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'labx-'))
    script = join(folder, 'lab.sh')
    kernel = await openKernel()
  })
  afterAll(async () => {
    if (existsSync(script)) spawnSync('sh', [script, 'down'])
    await kernel.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const left = (): string[] =>
    readdirSync('/run/netns').filter((name) => name.startsWith('labx-test-'))

  test.each([0, 1])('combination %i is made as it is simulated, and removed', async (i) => {
    const topology = readLab(new LabSource('lab.yaml', LAB))[i] as Topology
    writeFileSync(script, exportSh(topology))
    execFileSync('sh', [script], { stdio: 'pipe' })
    const sim = openSim()
    sim.applyNow(planLab(topology, { prefix: 'labx-test-' }))
    const key = 'net.ipv4.icmp_echo_ignore_all'
    sim.applyNow([{ do: 'sysctl.set', netns: 'labx-test-x', key, value: '1' }])
    await sim.settle()
    await kernel.settle({ netns: left() })
    const nodes = nodesOf(topology)
    const probes = nodes.flatMap(({ name }) =>
      nodes
        .filter((to) => to.name !== name)
        .flatMap((to) => to.addresses)
        .map(
          ({ prefix }): Probe => ({
            protocol: 'icmp',
            from: `labx-test-${name}`,
            to: prefix.address,
            timeoutMs: 3000,
          }),
        ),
    )
    const outcomes = async (fabric: Fabric) =>
      (await fabric.probe(probes)).map((r) => r.outcome === 'reply')
    const real = await outcomes(kernel)
    expect(real).toEqual(await outcomes(sim))
    expect(new Set(real)).toEqual(new Set([true, false]))

    // What is there already is not touched, what is half made goes again.
    const again = spawnSync('sh', [script], { encoding: 'utf8' })
    expect([again.status, again.stderr]).toEqual([
      1,
      `${script}: labx-test-sw is there already: sh ${script} down\n`,
    ])
    expect(left()).toHaveLength(5)
    execFileSync('sh', [script, 'down'])
    expect(left()).toEqual([])
  })

  test('a script that fails in the middle leaves nothing', () => {
    const topology = readLab(new LabSource('lab.yaml', LAB))[0] as Topology
    const text = exportSh(topology).trimEnd().split('\n')
    writeFileSync(script, `${[...text.slice(0, -1), 'false', ...text.slice(-1)].join('\n')}\n`)
    expect(spawnSync('sh', [script], { stdio: 'pipe' }).status).toBe(1)
    expect(left()).toEqual([])
  })
})
