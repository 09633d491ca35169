/** The labs the worked examples of explain happen in: seed 001's and a VLAN trunk with a router. */
import type { ExplainOptions } from '../../src/explain/explain.ts'
import type { Explanation } from '../../src/explain/types.ts'
import { chooseTopology, explainLab, openLabWorld } from '../../src/lab/explain.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import type { SimFabric } from '../../src/sim/fabric.ts'

/** One parent, two children, a gateway and one more machine on a switch. */
export function onOneParent(mode: string, options: { hairpin?: boolean; promisc?: boolean } = {}) {
  return `lab: one
switches:
  sw: {ports: {p0: {hairpin: ${options.hairpin === true}}, p1: {}, p2: {}}}
hosts:
  centos18: {nics: {enp0s5: {to: sw:p0, addr: 10.211.55.18/24}}}
  gw: {nics: {eth0: {to: sw:p1, addr: 10.211.55.1/24}}}
  other: {nics: {eth0: {to: sw:p2, addr: 10.211.55.10/24}}}
networks:
  lan: {driver: macvlan, parent: enp0s5, mode: ${mode}, subnet: 10.211.55.0/24}
containers:
  ns1: {host: centos18, net: lan=10.211.55.101, promisc: ${options.promisc === true}}
  ns2: {host: centos18, net: lan=10.211.55.102, promisc: ${options.promisc === true}}
`
}

/** Two VLANs on three machines; the first one may route between them. */
export function onTrunk(options: { p3?: string; forward?: boolean; gateway?: boolean } = {}) {
  const { p3 = 'trunk 100 200', forward = false, gateway = true } = options
  const via = (ip: string) => (gateway ? `, gateway: ${ip}` : '')
  return `lab: trunk
switches:
  sw: {ports: {p1: trunk 100 200, p2: trunk 100 200, p3: ${p3}}}
hosts:
  node1:
    nics: {enp0s3: sw:p1}
    vlans: [enp0s3.100, enp0s3.200]
    addr: {enp0s3.100: 172.16.10.1/24, enp0s3.200: 172.16.20.1/24}
    forward: ${forward}
  node2: {nics: {enp0s3: sw:p2}}
  node3: {nics: {enp0s3: sw:p3}}
networks:
  mac10: {driver: macvlan, parent: enp0s3.100, subnet: 172.16.10.0/24, gateway: 172.16.10.1, hosts: [node2, node3]}
  mac20: {driver: macvlan, parent: enp0s3.200, subnet: 172.16.20.0/24${via('172.16.20.1')}, hosts: [node2, node3]}
containers:
  box1: {host: node2, net: mac10=172.16.10.10}
  box3: {host: node3, net: mac10=172.16.10.11}
  box4: {host: node3, net: mac20=172.16.20.11}
`
}

export interface OpenLab {
  readonly topology: Topology
  readonly source: LabSource
  readonly world: SimFabric
}

export async function openLab(text: string): Promise<OpenLab> {
  const source = new LabSource('lab.yaml', text)
  const topology = chooseTopology(readLab(source), {})
  const world = await openLabWorld(topology, 'lab.yaml', (fabric, netns, line) =>
    runCommand(openSession(fabric, netns), line),
  )
  return { topology, source, world }
}

/** Explains a ping between two nodes of a lab. */
export async function explainIn(
  text: string,
  from: string,
  to: string,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const { topology, source, world } = await openLab(text)
  const asking = {
    from,
    to,
    family: undefined,
    protocol: 'icmp',
    port: undefined,
    size: undefined,
  } as const
  return explainLab(world, topology, source, asking, options)
}

/** Where the one decisive step was: `sw:p0`. */
export function decisive(found: Explanation): string[] {
  return found.way.flatMap((leg) =>
    leg.hops.filter((h) => h.decisive).map((h) => `${h.netns}:${h.links.at(-1) ?? ''}`),
  )
}
