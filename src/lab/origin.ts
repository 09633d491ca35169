/**
 * Where in a lab file somebody wrote what stopped a frame: from the place and the reason to a path
 * of the file, and so to its line.
 */
import type { ReasonCode } from '../fabric/reason.ts'
import type { Question } from '../explain/question.ts'
import type { Origin, Place } from '../explain/types.ts'
import type { LabSource, Path } from './source.ts'
import type { Container, Host, Topology } from './topology.ts'

/** Names the lines behind a failure, the nearest first. */
export function originsIn(
  topology: Topology,
  source: LabSource,
  question: Question,
): (place: Place, code: ReasonCode) => Origin[] {
  return (place, code) => {
    const paths = [
      ...runLines(topology, place, code),
      ...placePaths(topology, place, code),
      ...endPaths(topology, question, code),
    ]
    const lines = new Map<number, Origin>()
    for (const found of paths) {
      const line = typeof found === 'number' ? found : source.lineOf(found)
      if (!lines.has(line)) {
        lines.set(line, { file: source.file, line, text: source.textAt(line) })
      }
    }
    return [...lines.values()].slice(0, 3)
  }
}

type Found = Path | number

/** A command line of the node that speaks of the chain or setting that decided. */
function runLines(topology: Topology, place: Place, code: ReasonCode): Found[] {
  const node = nodeNamed(topology, place.netns)
  const word = /^NETFILTER_(\w+)$/.exec(code)?.[1]
  const wanted = word === undefined ? SETTINGS[code] : word
  if (node === undefined || wanted === undefined) return []
  return node.run.filter((r) => r.text.includes(wanted)).map((r) => r.line)
}

/** Settings by the reason they bring about. */
const SETTINGS: { readonly [C in ReasonCode]?: string } = {
  ARP_IGNORED: 'arp_ignore',
  ARP_FILTERED: 'arp_filter',
  RP_FILTER: 'rp_filter',
  IP_FORWARD_OFF: 'forward',
  ECHO_IGNORED: 'icmp_echo',
  IPV6_DISABLED: 'disable_ipv6',
  NETEM_LOSS: 'netem',
  NETEM_LIMIT: 'netem',
  NETEM_LATE: 'netem',
}

function placePaths(topology: Topology, { netns, link, toLink }: Place, code: ReasonCode): Path[] {
  const sw = topology.switches.find((s) => s.name === netns)
  if (sw !== undefined) {
    const port = [toLink, link].find((l) => sw.ports.some((p) => p.name === l))
    const path: Path = ['switches', netns, 'ports', ...(port === undefined ? [] : [port])]
    const key = PORT_KEYS[code]
    return [key === undefined ? path : [...path, key]]
  }
  const host = topology.hosts.find((h) => h.name === netns)
  if (host !== undefined) return [hostPath(host, link, code)]
  const container = topology.containers.find((c) => c.name === netns)
  return container === undefined ? [] : containerPaths(container, link, code)
}

/** The key of a port a reason speaks of, if it is written. */
const PORT_KEYS: { readonly [C in ReasonCode]?: string } = {
  BRIDGE_NO_HAIRPIN: 'hairpin',
  BRIDGE_ISOLATED: 'isolated',
  BRIDGE_FLOOD_OFF: 'flood',
  BRIDGE_PORT_STATE: 'up',
  LINK_DOWN: 'up',
  PEER_DOWN: 'up',
  NETEM_LOSS: 'impair',
  NETEM_LIMIT: 'impair',
  NETEM_LATE: 'impair',
}

const ROUTES: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'NO_ROUTE',
  'NO_ROUTE_BACK',
  'ROUTE_BLACKHOLE',
  'ROUTE_PROHIBIT',
  'ROUTE_UNREACHABLE',
])

function hostPath(host: Host, link: string | undefined, code: ReasonCode): Path {
  const path: Path = ['hosts', host.name]
  const setting = SETTINGS[code]
  if (code === 'IP_FORWARD_OFF') return [...path, 'forward']
  if (setting !== undefined) {
    const key = host.sysctls.find(([k]) => k.includes(setting))?.[0]
    if (key !== undefined) return [...path, 'sysctl', key]
  }
  if (ROUTES.has(code)) return [...path, 'routes']
  if (host.nics.some((n) => n.name === link)) {
    const nic: Path = [...path, 'nics', link as string]
    return code.startsWith('NETEM_') ? [...nic, 'impair'] : nic
  }
  return host.uppers.some((u) => u.name === link) ? [...path, 'vlans'] : path
}

function containerPaths(container: Container, link: string | undefined, code: ReasonCode): Path[] {
  const path: Path = ['containers', container.name]
  const setting = SETTINGS[code]
  const key = container.sysctls.find(([k]) => setting !== undefined && k.includes(setting))?.[0]
  if (key !== undefined) return [[...path, 'sysctl', key]]
  const child = container.children.find((c) => c.name === link) ?? container.children[0]
  if (ROUTES.has(code)) {
    const network: Path[] = child === undefined ? [] : [['networks', child.network, 'gateway']]
    return container.routes.length > 0 ? [[...path, 'routes'], ...network] : network
  }
  return [[...path, 'net']]
}

/** Reasons that come of how an end is attached. */
const ATTACHMENT: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'BRIDGE_NO_HAIRPIN',
  'BRIDGE_NO_PORT',
  'BRIDGE_VLAN_EGRESS',
  'BRIDGE_VLAN_INGRESS',
  'MACVLAN_SRC_PRIVATE',
  'MACVLAN_SRC_PASSTHRU',
  'MACVLAN_SRC_SOURCE',
  'IPVLAN_PRIVATE',
  'IPVLAN_L3_NO_GROUP',
  'ARP_NOT_FOR_US',
  'OTHERHOST',
])

/** The network whose mode keeps an end where it is. */
function endPaths(topology: Topology, { from, to }: Question, code: ReasonCode): Path[] {
  if (!ATTACHMENT.has(code)) return []
  return [from, to].flatMap((name) => {
    const [child] = topology.containers.find((c) => c.name === name)?.children ?? []
    return child === undefined ? [] : [['networks', child.network, 'mode']]
  })
}

function nodeNamed(topology: Topology, name: string): Host | Container | undefined {
  return [...topology.hosts, ...topology.containers].find((n) => n.name === name)
}
