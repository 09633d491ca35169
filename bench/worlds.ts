/** The worlds the benches run in, as plans: the same for the simulator and for the kernel. */
import { addToIp, parseIp } from '../src/addr/ip.ts'
import type { Fabric, Probe } from '../src/fabric/fabric.ts'
import type { Op, Plan } from '../src/fabric/plan.ts'

/** Every namespace of a bench begins so; what is left of one is removed by name. */
export const PREFIX = 'lanbench-'
export const SWITCH = `${PREFIX}switch`
export const HOST = `${PREFIX}host`

export const endpoint = (i: number): string => `${PREFIX}c${i}`
export const endpointIp = (i: number): number => addToIp(parseIp('10.9.0.2'), i) as number

/**
 * A switch with two ports, behind one of them a host whose eth0 carries `count` macvlan endpoints.
 */
export function macvlanLan(count: number): Plan {
  const ops: Op[] = [
    { do: 'netns.add', netns: SWITCH },
    { do: 'netns.add', netns: HOST },
    { do: 'link.add', netns: SWITCH, name: 'br0', spec: { kind: 'bridge' }, up: true },
    {
      do: 'link.add',
      netns: HOST,
      name: 'eth0',
      spec: { kind: 'veth', peer: { name: 'port1', netns: SWITCH } },
      up: true,
    },
    { do: 'link.set', netns: SWITCH, name: 'port1', master: 'br0', up: true },
  ]
  for (let i = 0; i < count; i++) {
    const netns = endpoint(i)
    ops.push(
      { do: 'netns.add', netns },
      // Before the link comes up: no duplicate address detection, no router solicitation.
      { do: 'sysctl.set', netns, key: 'net.ipv6.conf.default.disable_ipv6', value: '1' },
      {
        do: 'link.add',
        netns,
        name: 'eth0',
        parentNetns: HOST,
        spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'bridge' } },
      },
      { do: 'address.add', netns, link: 'eth0', address: { address: endpointIp(i), length: 16 } },
      { do: 'link.set', netns, name: 'eth0', up: true },
    )
  }
  return ops
}

/** Takes it away again. */
export function withoutLan(count: number): Plan {
  const names = [...Array.from({ length: count }, (_, i) => endpoint(i)), HOST, SWITCH]
  return names.map((netns) => ({ do: 'netns.del', netns }))
}

/** A ping from every endpoint to every other; with `once`, each pair in one direction only. */
export function allPairs(count: number, once = false): Probe[] {
  const probes: Probe[] = []
  for (let from = 0; from < count; from++)
    for (let to = once ? from + 1 : 0; to < count; to++)
      if (from !== to)
        probes.push({ protocol: 'icmp', from: endpoint(from), to: endpointIp(to), timeoutMs: 5000 })
  return probes
}

/** Forgets every neighbour: what follows is cold. */
export async function flush(fabric: Fabric, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => endpoint(i))
  await fabric.apply(names.map((netns) => ({ do: 'neighbour.flush', netns, link: 'eth0' })))
}

/** Pings, and makes sure that what was timed was answered. */
export async function ping(fabric: Fabric, probes: readonly Probe[]): Promise<void> {
  const results = await fabric.probe(probes)
  const lost = results.filter((r) => r.outcome !== 'reply').length
  if (lost > 0) throw new Error(`${lost} of ${probes.length} pings were not answered`)
}
