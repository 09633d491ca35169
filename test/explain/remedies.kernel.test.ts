/** Remedies done on the real kernel: what failed works, and fails again once they are undone. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { parseIp } from '../../src/addr/ip.ts'
import { explain } from '../../src/explain/explain.ts'
import { probeOf, type Question } from '../../src/explain/question.ts'
import { recognise } from '../../src/explain/recognise.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { namespacesOf, planDown, planLab } from '../../src/lab/plan.ts'
import { flushPlan } from '../../src/lab/probing.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { describeKernel } from '../describe-kernel.ts'
import { decisive, onOneParent } from './labs.ts'
import { KERNEL_REFUSALS, USER_CASES, type UserCase } from './users.ts'

type Case = Pick<
  UserCase,
  'says' | 'lab' | 'by' | 'then' | 'from' | 'to' | 'ip' | 'protocol' | 'port'
> & { readonly at?: string; readonly fixes?: readonly string[] }

const siblings = (mode: string, from: string, to: string, ip: string): Case => ({
  says: `${from} -> ${to} in mode ${mode}`,
  lab: onOneParent(mode),
  from,
  to,
  ip,
})

const CASES: readonly Case[] = [
  siblings('bridge', 'centos18', 'ns1', '10.211.55.101'),
  siblings('bridge', 'ns1', 'centos18', '10.211.55.18'),
  siblings('vepa', 'ns1', 'ns2', '10.211.55.102'),
  siblings('private', 'ns2', 'ns1', '10.211.55.101'),
  ...USER_CASES.filter((one) => one.vlans !== true),
]

describeKernel('remedies on the kernel', () => {
  // They wait more than they work.
  describe.concurrent('explain', () => {
    for (const [number, one] of CASES.entries()) {
      test(`explain: what mends it does so on a kernel: ${one.says}`, () => mend(number, one))
    }
  })

  test.each(KERNEL_REFUSALS)('the kernel refuses "$refused", and takes the mend', (one) => {
    const run = (lines: readonly string[]) =>
      spawnSync('unshare', ['--net', 'sh', '-c', `set -e\n${lines.join('\n')}`], {
        encoding: 'utf8',
      })
    const { status, stderr } = run([...one.before, one.refused])
    expect(status).not.toBe(0)
    expect(recognise(stderr)[0]?.id, stderr).toBe(one.text)
    const refusal = `if ${one.refused} 2>/dev/null; then exit 99; fi`
    expect(run([...one.before, refusal, ...one.mend])).toMatchObject({ status: 0, stderr: '' })
  })
})

async function mend(number: number, one: Case): Promise<void> {
  const naming = { prefix: `explain${process.pid}-${number}-` }
  const node = (name: string): string => naming.prefix + name
  const [topology] = readLab(new LabSource('lab.yaml', one.lab))
  if (topology === undefined) throw new Error('no lab')
  const question: Question = {
    from: node(one.from),
    to: node(one.to),
    target: parseIp(one.ip),
    protocol: one.protocol ?? 'icmp',
    ...(one.port === undefined ? {} : { port: one.port }),
  }
  const made = namespacesOf(topology).map(node)
  const steps = [planLab(topology, naming), one.by?.(node) ?? [], one.then?.(node) ?? []]
  const sim = openSim()
  const kernel = await openKernel()
  try {
    for (const fabric of [sim, kernel]) {
      for (const ops of steps) {
        await fabric.apply(ops)
        await fabric.settle({ netns: made })
      }
    }
    const found = explain(sim, question)
    const works = async (): Promise<boolean> => {
      await kernel.settle({ netns: made })
      return asked(kernel, topology, naming, question)
    }
    expect(await works()).toBe(false)
    const { protocol, port } = question
    if (port !== undefined && protocol !== 'icmp' && protocol !== 'arp') {
      await kernel.listen(node(one.to), { protocol, port })
      // That alone mends what is closed, and nothing else.
      expect(await works()).toBe(found.code === 'PORT_CLOSED')
    }
    if (one.at !== undefined) expect(decisive(found)).toEqual([node(one.at)])
    expect(found.remedies.length > 0).toBe(one.fixes?.length !== 0)
    for (const { title, plan, undo } of found.remedies) {
      await kernel.apply(plan)
      expect(await works(), title).toBe(true)
      await kernel.apply(undo)
      expect(await works(), `undo of ${title}`).toBe(false)
    }
  } finally {
    await kernel.apply(planDown(made), { keepGoing: true })
    await kernel.close()
  }
}

async function asked(
  kernel: Fabric,
  topology: Topology,
  naming: { readonly prefix: string },
  question: Question,
): Promise<boolean> {
  await kernel.apply([
    ...flushPlan(topology, naming),
    // A redirect of the router outlives the neighbours it spoke of.
    ...topology.hosts.map(
      ({ name }) => ({ do: 'route.flush-cache', netns: naming.prefix + name }) as const,
    ),
  ])
  const [result] = await kernel.probe([probeOf(question)])
  return result?.outcome === 'reply'
}
