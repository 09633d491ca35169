/** The worlds the benches run in, as plans: the same for the simulator and for the kernel. */
import { addToIp, parseIp } from '../src/addr/ip.ts'
import type { Fabric, Probe } from '../src/fabric/fabric.ts'
import type { LinkSpec, Op, Plan } from '../src/fabric/plan.ts'

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
  for (let i = 0; i < count; i++) ops.push(...attach(i, 'eth0'))
  return ops
}

/** Two endpoints on each of `count` parents: nobody else hears what they broadcast. */
export function macvlanPairs(count: number): Plan {
  const ops: Op[] = [
    { do: 'netns.add', netns: SWITCH },
    { do: 'netns.add', netns: HOST },
  ]
  for (let i = 0; i < count; i++) {
    const name = `eth${i}`
    const spec: LinkSpec = { kind: 'veth', peer: { name: `port${i}`, netns: SWITCH } }
    ops.push(
      { do: 'link.add', netns: HOST, name, spec, up: true },
      { do: 'link.set', netns: SWITCH, name: `port${i}`, up: true },
      ...attach(i * 2, name),
      ...attach(i * 2 + 1, name),
    )
  }
  return ops
}

function attach(i: number, parent: string): Op[] {
  const netns = endpoint(i)
  const spec: LinkSpec = { kind: 'macvlan', parent, macvlan: { mode: 'bridge' } }
  return [
    { do: 'netns.add', netns },
    // Before the link comes up: no duplicate address detection, no router solicitation.
    { do: 'sysctl.set', netns, key: 'net.ipv6.conf.default.disable_ipv6', value: '1' },
    { do: 'link.add', netns, name: 'eth0', parentNetns: HOST, spec },
    { do: 'address.add', netns, link: 'eth0', address: { address: endpointIp(i), length: 16 } },
    { do: 'link.set', netns, name: 'eth0', up: true },
  ]
}

/** A parent for networks of the engine: `p0`, with a cable to `p1` and an address of a /16. */
export function parentOn(netns: string, address: number): Plan {
  const spec: LinkSpec = { kind: 'veth', peer: { name: 'p1' } }
  return [
    { do: 'link.add', netns, name: 'p0', spec, up: true },
    { do: 'link.set', netns, name: 'p1', up: true },
    { do: 'address.add', netns, link: 'p0', address: { address, length: 16 } },
  ]
}

/** All namespaces of such a world; a bench waits for these alone, others may come and go. */
export function namespacesOf(count: number): string[] {
  return [...Array.from({ length: count }, (_, i) => endpoint(i)), HOST, SWITCH]
}

/** Takes it away again. */
export function withoutLan(count: number): Plan {
  return namespacesOf(count).map((netns) => ({ do: 'netns.del', netns }))
}

const echo = (from: number, to: number): Probe => ({
  protocol: 'icmp',
  from: endpoint(from),
  to: endpointIp(to),
  timeoutMs: 5000,
})

/** A ping from every endpoint to every other. */
export function allPairs(count: number): Probe[] {
  const all = Array.from({ length: count }, (_, i) => i)
  return all.flatMap((from) => all.filter((to) => to !== from).map((to) => echo(from, to)))
}

/** In every pair, the first pings the second (the way back would be warm). */
export function eachPair(count: number): Probe[] {
  return Array.from({ length: count }, (_, i) => echo(i * 2, i * 2 + 1))
}

/** Forgets every neighbour: what follows is cold. */
export async function flush(fabric: Fabric, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => endpoint(i))
  await fabric.apply(names.map((netns) => ({ do: 'neighbour.flush', netns, link: 'eth0' })))
}

/**
 * Neighbours a machine has room for, all namespaces together (net.ipv4.neigh.default.gc_thresh3),
 * by the two entries a cold ping makes.
 */
const ROUND = 500

/** Pings from empty tables, and makes sure that what was timed was answered. */
export async function ping(fabric: Fabric, probes: readonly Probe[], count: number): Promise<void> {
  const step = fabric.kind === 'sim' ? probes.length : ROUND
  for (let at = 0; at < probes.length; at += step) {
    if (at > 0) await flush(fabric, count)
    const results = await fabric.probe(probes.slice(at, at + step))
    const lost = results.filter((r) => r.outcome !== 'reply')
    if (lost.length === 0) continue
    throw new Error(`${lost.length} pings on ${fabric.kind} failed: ${JSON.stringify(lost[0])}`)
  }
}
