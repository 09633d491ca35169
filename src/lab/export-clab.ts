/**
 * A lab as a containerlab topology: switches as bridges, hosts as nodes of kind linux, cables as
 * links, and in `exec` the lines of the plan that make the rest, printed as `export sh` prints
 * them.
 *
 * A container of the lab is a network namespace within the node of its host, made by `ip netns`: a
 * macvlan child must be made on a link of its host, and a node of containerlab has links of its own
 * only. A switch with VLANs, port flags or impaired cables is a node of kind linux with a bridge in
 * it: kind bridge has no words for them.
 */
import { Document, isScalar, isSeq, visit } from 'yaml'
import { LanyardError } from '../errors.ts'
import type { Op } from '../fabric/plan.ts'
import { printOp } from '../fabric/print-ip.ts'
import { macFor } from './identity.ts'
import { planLab } from './plan.ts'
import type { Host, Switch, Topology } from './topology.ts'
import { formatVariables } from './variables.ts'

/** What the words `host:`, `macvlan:` and so on at the end of a link mean to containerlab. */
const KEPT = ['host', 'macvlan', 'mgmt-net', 'vxlan', 'vxlan-stitch', 'dummy']
/** IFNAMSIZ less its zero byte. */
const NAME_BYTES = 15

export interface ClabOptions {
  /** Image of the nodes: with ip, bridge, sysctl and iptables in it. */
  readonly image: string
}

/** The image of containerlab's own examples of Linux hosts. */
export const CLAB_IMAGE = 'ghcr.io/srl-labs/network-multitool'

/**
 * The topology of one combination.
 *
 * @throws LanyardError `usage` with what containerlab has no words for
 */
export function exportClab(topology: Topology, { image }: ClabOptions): string {
  refuse(topology)
  const bridges = topology.switches.filter(isPlain)
  const plan = execPlan(topology)
  const nodes = new Map<string, object>()
  const names = bridgeNames(topology)
  for (const sw of topology.switches) {
    const linux = { kind: 'linux', exec: linesAt(topology, plan, sw.name) }
    nodes.set(names.get(sw.name) ?? sw.name, bridges.includes(sw) ? { kind: 'bridge' } : linux)
  }
  for (const host of topology.hosts) {
    const exec = [...linesAt(topology, plan, host.name), ...runLines(topology, host)]
    nodes.set(host.name, { kind: 'linux', ...(exec.length === 0 ? {} : { exec }) })
  }
  const doc = new Document({
    name: topology.lab,
    topology: {
      // No management network: it would be a second way between all nodes.
      kinds: { linux: { image, 'network-mode': 'none' } },
      nodes: Object.fromEntries(nodes),
      links: linksOf(topology, names),
    },
  })
  visit(doc, {
    Pair: (_key, pair) => {
      const isEnds = isScalar(pair.key) && pair.key.value === 'endpoints'
      if (isEnds && isSeq(pair.value)) pair.value.flow = true
    },
  })
  doc.commentBefore = head(topology, [...names.values()])
    .map((line) => ` ${line}`)
    .join('\n')
  return doc.toString({ lineWidth: 0, flowCollectionPadding: false })
}

function head(topology: Topology, bridges: readonly string[]): string[] {
  const { lab, title } = topology
  const variables = formatVariables(topology.variables)
  const made = bridges.map((b) => `sudo ip link add ${b} type bridge; sudo ip link set ${b} up`)
  const listens = [...topology.hosts, ...topology.containers].filter((n) => n.listen.length > 0)
  return [
    [lab, title].filter((text) => text !== undefined).join(': '),
    ...(variables === '' ? [] : [variables]),
    `sudo containerlab deploy -t ${lab}.clab.yml`,
    ...(made.length === 0 ? [] : ['It makes no bridges; before it:', ...made.map((m) => `  ${m}`)]),
    ...(topology.containers.length === 0
      ? []
      : [
          'The containers of the lab are namespaces in the nodes of their hosts:',
          ...containerLines(topology),
        ]),
    ...(topology.steps.length === 0 ? [] : ['The steps of the lab are not in here.']),
    ...listens.map(
      (n) =>
        `${n.name} would answer on ${n.listen.map((s) => `${s.protocol}/${s.port}`).join(', ')}`,
    ),
  ]
}

function containerLines({ lab, containers }: Topology): string[] {
  return containers
    .slice(0, 1)
    .map(({ name, host }) => `  sudo docker exec clab-${lab}-${host} ip netns exec ${name} ip addr`)
}

/** A switch that kind bridge says in full. */
function isPlain({ vlanFiltering, ports }: Switch): boolean {
  return (
    !vlanFiltering &&
    ports.every(
      (p) => !p.hairpin && !p.isolated && p.learning && p.flood && p.up && p.impair === undefined,
    )
  )
}

/** Bridges and their ports stand among the links of the machine: short names, each once. */
function bridgeNames({ switches, hosts }: Topology): Map<string, string> {
  const taken = new Set([...switches, ...hosts].map((n) => n.name))
  return new Map(
    switches.filter(isPlain).map(({ name }) => {
      if (name.length <= NAME_BYTES) return [name, name]
      let own = name.slice(0, NAME_BYTES)
      for (let n = 2; taken.has(own); n++) own = `${name.slice(0, NAME_BYTES - 3)}-${n}`
      taken.add(own)
      return [name, own]
    }),
  )
}

/** Every cable once, a port of a bridge under a name that is free on the machine. */
function linksOf(topology: Topology, bridges: ReadonlyMap<string, string>): object[] {
  const ends = [
    ...topology.hosts.flatMap((h) => h.nics.map((link) => ({ node: h.name, link }))),
    ...topology.switches.flatMap((s) => s.ports.map((link) => ({ node: s.name, link }))),
  ]
  const made = new Set<string>()
  const taken = new Set<string>()
  const endText = (node: string, link: string): string => {
    const bridge = bridges.get(node)
    if (bridge === undefined) return `${node}:${link}`
    let own = `${bridge}-${link}`.slice(-NAME_BYTES)
    for (let n = 2; taken.has(own); n++)
      own = `${n}-${`${bridge}-${link}`.slice(n > 9 ? -12 : -13)}`
    taken.add(own)
    return `${bridge}:${own}`
  }
  return ends.flatMap(({ node, link }) => {
    const { peer } = link
    if (peer === undefined || made.has(`${node}:${link.name}`)) return []
    made.add(`${peer.node}:${peer.link}`)
    const far = ends.find((e) => e.node === peer.node && e.link.name === peer.link)?.link
    const mtu = link.mtu ?? far?.mtu
    const endpoints = [endText(node, link.name), endText(peer.node, peer.link)]
    return [{ endpoints, ...(mtu === undefined ? {} : { mtu }) }]
  })
}

/** The ops beside what containerlab makes itself: nodes, links and their being up. */
function execPlan(topology: Topology): Op[] {
  const nodes = new Set([...topology.switches, ...topology.hosts].map((n) => n.name))
  const plan = planLab(topology, { prefix: '' }).flatMap((op): Op[] => {
    if (op.do === 'netns.add' && nodes.has(op.netns)) return []
    if (op.do === 'link.add' && op.spec.kind === 'veth') return []
    if (op.do !== 'link.add' && op.do !== 'link.set') return [op]
    const { group: _group, alias: _alias, ...rest } = op
    if (Object.keys(rest).length <= 3) return []
    // Links and the loopback of a node are up as containerlab makes them.
    const up = op.do === 'link.set' && op.up === true && Object.keys(rest).length === 4
    const own = nodes.has(op.netns) && (op.name === 'lo' || isCable(topology, op.netns, op.name))
    return up && own ? [] : [rest]
  })
  return [...topology.hosts.flatMap((host) => differingStart(topology, host)), ...plan]
}

function isCable({ switches, hosts }: Topology, node: string, link: string): boolean {
  const links = [
    ...(switches.find((s) => s.name === node)?.ports ?? []),
    ...(hosts.find((h) => h.name === node)?.nics ?? []),
  ]
  return links.some((l) => l.name === link)
}

/** Where a host begins otherwise than a container under Docker does. */
function differingStart({ lab }: Topology, host: Host): Op[] {
  const netns = host.name
  const forwards = host.sysctls.some(([key]) => key === 'net.ipv4.ip_forward')
  return [
    ...(forwards
      ? []
      : [{ do: 'sysctl.set', netns, key: 'net.ipv4.ip_forward', value: '0' } as const]),
    ...(host.lo ? [] : [{ do: 'link.set', netns, name: 'lo', up: false } as const]),
    ...host.nics.flatMap(({ name, mac, up, mtu, peer }): Op[] => [
      ...(mac === macFor(lab, netns, name)
        ? []
        : [{ do: 'link.set', netns, name, address: mac } as const]),
      ...(mtu === undefined || peer === undefined
        ? []
        : [{ do: 'link.set', netns, name, mtu } as const]),
      ...(up ? [] : [{ do: 'link.set', netns, name, up: false } as const]),
    ]),
  ]
}

/** The lines of the ops in a node and in the namespaces of its containers, as typed at the node. */
function linesAt({ containers }: Topology, plan: readonly Op[], node: string): string[] {
  const own = new Set([node, ...containers.filter((c) => c.host === node).map((c) => c.name)])
  return plan.filter((op) => own.has(op.netns)).flatMap((op) => printOp(seenFrom(node, op)))
}

/** An op in the names of one node: its own namespace has none. */
function seenFrom(node: string, op: Op): Op {
  const netns = op.netns === node ? '' : op.netns
  if (op.do !== 'link.add' || op.parentNetns === undefined) return { ...op, netns }
  return { ...op, netns, parentNetns: op.parentNetns === node ? '' : op.parentNetns }
}

/** Command lines of the file; containerlab has no shell for them. */
function runLines({ containers }: Topology, host: Host): string[] {
  const shell = (text: string): string => `sh -c '${text.replaceAll("'", `'\\''`)}'`
  return [
    ...host.run.map(({ text }) => shell(text)),
    ...containers
      .filter((c) => c.host === host.name)
      .flatMap((c) => c.run.map(({ text }) => `ip netns exec ${c.name} ${shell(text)}`)),
  ]
}

function refuse(topology: Topology): void {
  const reasons = reasonsAgainst(topology)
  if (reasons.length === 0) return
  const sentence = `lab ${topology.lab} has no form as a containerlab topology: ${reasons.join('; ')}`
  throw new LanyardError('usage', { sentence, help: 'lanyard lab export --help' })
}

function reasonsAgainst({ switches, hosts }: Topology): string[] {
  const kept = [...switches, ...hosts].filter((n) => KEPT.includes(n.name))
  const open = hosts.flatMap((h) =>
    h.nics.filter((n) => n.peer === undefined).map((n) => `${h.name}:${n.name}`),
  )
  return [
    ...kept.map(({ name }) => `containerlab keeps the name "${name}" for itself`),
    ...open.map((end) => `${end} has no cable, and every link of containerlab has two ends`),
  ]
}
