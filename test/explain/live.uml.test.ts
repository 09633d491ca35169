/**
 * The failures people ask about most, made on a real kernel and explained from a snapshot of it:
 * the cause, the step that decided, and each remedy done there. Runs inside User Mode Linux, which
 * has VLANs.
 */
import { afterEach, expect, test } from 'vitest'
import { parseIp } from '../../src/addr/ip.ts'
import { ASSUME_NOTHING } from '../../src/explain/beyond.ts'
import { explainLive } from '../../src/explain/live.ts'
import { probeOf, type Question } from '../../src/explain/question.ts'
import { agrees } from '../../src/explain/reality.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { takeLiveSnapshot } from '../../src/kernel/live.ts'
import { namespacesOf, planDown, planLab } from '../../src/lab/plan.ts'
import { flushPlan } from '../../src/lab/probing.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { decisive, onOneParent, onTrunk } from './labs.ts'

const naming = { prefix: 'live-' }

interface Case {
  readonly lab: string
  readonly from: string
  readonly to: string
  readonly ip: string
  readonly code: string
  readonly cause?: string
  readonly at: string
  /** A remedy there must be. */
  readonly fix: string
}

const CASES: readonly Case[] = [
  {
    lab: onOneParent('bridge'),
    from: 'centos18',
    to: 'ns1',
    ip: '10.211.55.101',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_HOST_TO_CHILD',
    at: 'live-sw:p0',
    fix: 'host access: a link shim0 of live-centos18 on enp0s5',
  },
  {
    lab: onOneParent('private'),
    from: 'ns2',
    to: 'ns1',
    ip: '10.211.55.101',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_PRIVATE',
    at: 'live-sw:p0',
    fix: 'both live-ns2 and live-ns1 in mode bridge',
  },
  {
    lab: onOneParent('vepa'),
    from: 'ns2',
    to: 'ns1',
    ip: '10.211.55.101',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'VEPA_NO_HAIRPIN',
    at: 'live-sw:p0',
    fix: 'hairpin on at live-sw:p0',
  },
  {
    lab: onTrunk({ p3: 'access 1' }),
    from: 'box1',
    to: 'box3',
    ip: '172.16.10.11',
    code: 'BRIDGE_VLAN_EGRESS',
    cause: 'VLAN_NOT_ON_PORT',
    at: 'live-sw:p3',
    fix: 'VLAN 100 tagged at live-sw:p3',
  },
  {
    lab: onTrunk(),
    from: 'box1',
    to: 'box4',
    ip: '172.16.20.11',
    code: 'IP_FORWARD_OFF',
    at: 'live-node1:enp0s3.100',
    fix: 'ip_forward on at live-node1',
  },
  {
    lab: onTrunk({ forward: true, gateway: false }),
    from: 'box1',
    to: 'box4',
    ip: '172.16.20.11',
    code: 'NO_ROUTE_BACK',
    at: 'live-box4:eth0',
    fix: 'default route of live-box4 via 172.16.20.1 (live-node1)',
  },
]

afterEach(async () => {
  const kernel = await openKernel()
  for (const { lab } of CASES) {
    const made = namespacesOf(topologyOf(lab)).map((node) => naming.prefix + node)
    await kernel.apply(planDown(made), { keepGoing: true })
  }
  await kernel.close()
})

for (const [number, one] of CASES.entries()) {
  test(`explain --live: ${one.cause ?? one.code} of ${one.from} -> ${one.to} (${number})`, async () => {
    const topology = topologyOf(one.lab)
    const kernel = await openKernel()
    const made = namespacesOf(topology).map((node) => naming.prefix + node)
    const question: Question = {
      from: naming.prefix + one.from,
      to: naming.prefix + one.to,
      target: parseIp(one.ip),
      protocol: 'icmp',
    }
    const ask = async () => {
      await kernel.apply(flushPlan(topology, naming))
      return (await kernel.probe([{ ...probeOf(question), timeoutMs: 1500 }]))[0]
    }
    try {
      await kernel.apply(planLab(topology, naming))
      await kernel.settle({ netns: made })
      const { snapshot, unread } = await takeLiveSnapshot()
      expect(unread).toEqual([])
      const asked = { question, snapshot, assume: ASSUME_NOTHING, answered: false }
      const { found } = explainLive({ ...asked, names: {}, owners: {}, listening: false })
      expect(found).toMatchObject({ verdict: 'fail', code: one.code, cause: one.cause })
      expect(decisive(found)).toEqual([one.at])
      expect(found.remedies.map((r) => r.title)).toContain(one.fix)
      const real = await ask()
      expect(real && agrees(found, real), 'the real ping fails as well').toBe(true)
      for (const { title, plan, undo } of found.remedies) {
        await kernel.apply(plan)
        await kernel.settle({ netns: made })
        expect((await ask())?.outcome, title).toBe('reply')
        await kernel.apply(undo)
        await kernel.settle({ netns: made })
      }
    } finally {
      await kernel.close()
    }
  })
}

function topologyOf(lab: string): Topology {
  const [topology] = readLab(new LabSource('lab.yaml', lab))
  if (topology === undefined) throw new Error('no lab')
  return topology
}
